"""What is taken and what is refused, field by field; each refusal names the field and the message."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from candu_sync.simulator.contract import MAX_BODY_BYTES, MAX_MESSAGE_BYTES, Batch, ContractError, parse

IDENTIFY: dict[str, Any] = {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}}
GROUP: dict[str, Any] = {"type": "group", "groupId": "g1", "userId": "u1"}
TRACK: dict[str, Any] = {"type": "track", "userId": "u1", "event": "Upgraded plan"}


def check(content: object, content_type: str = "application/json") -> Batch:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return parse(content_type, body, len(body))


def refusal(content: object, content_type: str = "application/json") -> ContractError:
    with pytest.raises(ContractError) as caught:
        check(content, content_type)
    return caught.value


@pytest.mark.parametrize(
    "message",
    [
        {"type": "identify", "userId": "u1", "traits": {"email": "a@b.co", "isAdmin": True},
         "timestamp": "2025-04-22T15:58:02Z"},
        {"type": "group", "groupId": "g1", "userId": "u1", "traits": {"plan": "pro", "total billed": 830}},
        {"type": "track", "userId": "u1", "event": "Upgraded plan", "properties": {"seats": 5}},
        TRACK | {"properties": {}, "messageId": "m1"},
        IDENTIFY | {"userId": " U1 ", "traits": {"empty": "", "gone": None, "email": None, "ratio": 0.1}},
    ],
)  # fmt: skip
def test_the_documented_messages_are_taken(message: dict[str, Any]) -> None:
    batch = check(message)
    assert (batch.type, batch.messages, orjson.loads(batch.payloads[0])) == (message["type"], [message], message)


def test_an_array_of_one_type_is_taken_in_order() -> None:
    assert [m["userId"] for m in check([IDENTIFY | {"userId": f"u{n}"} for n in range(100)]).messages] == [
        f"u{n}" for n in range(100)
    ]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"userId": "u1", "traits": {}}, "type: must be one of"),
        (IDENTIFY | {"type": "alias"}, "type: must be one of"),
        (IDENTIFY | {"type": ["identify"]}, "type: must be one of"),
        (IDENTIFY | {"context": {}}, "'context': unknown field"),
        (IDENTIFY | {"properties": {}}, "properties: does not belong in identify"),
        (TRACK | {"groupId": "g1"}, "groupId: does not belong in track"),
        ({"type": "identify", "userId": "u1"}, "traits: required"),
        ({"type": "identify", "traits": {}}, "userId: required"),
        ({"type": "group", "userId": "u1"}, "groupId: required"),
        ({"type": "group", "groupId": "g1"}, "userId: required"),
        ({"type": "track", "userId": "u1"}, "event: required"),
        (IDENTIFY | {"userId": 5}, "userId: must be a string"),
        (IDENTIFY | {"userId": None}, "userId: must be a string"),
        (IDENTIFY | {"userId": " \t"}, "userId: must not be blank"),
        (GROUP | {"groupId": ""}, "groupId: must not be blank"),
        (TRACK | {"event": 7}, "event: must be a string"),
        (TRACK | {"event": " "}, "event: must not be blank"),
        (TRACK | {"event": "candu.sdk.init"}, "event: names that start with candu.sdk."),
        (TRACK | {"messageId": 1}, "messageId: must be a string"),
        (IDENTIFY | {"traits": None}, "traits: must be an object"),
        (IDENTIFY | {"traits": []}, "traits: must be an object"),
        (IDENTIFY | {"traits": {}}, "traits: must not be empty"),
        (GROUP | {"traits": {}}, "traits: must not be empty"),
        (TRACK | {"properties": "x"}, "properties: must be an object"),
        (IDENTIFY | {"traits": {"tags": ["hush"]}}, "traits.tags: must be a string, a number"),
        (GROUP | {"traits": {"owner": {"name": "hush"}}}, "traits.owner: must be a string, a number"),
        (TRACK | {"properties": {"items": []}}, "properties.items: must be a string, a number"),
        (IDENTIFY | {"traits": {" ": 1}}, "traits: a name must not be blank"),
        (IDENTIFY | {"traits": {"email": 5}}, "traits.email: must be a string or null"),
        (TRACK | {"timestamp": None}, "timestamp: must be ISO 8601"),
        (TRACK | {"timestamp": 1745337482}, "timestamp: must be ISO 8601"),
        (TRACK | {"timestamp": "2025-04-22"}, "timestamp: must be ISO 8601"),
        (TRACK | {"timestamp": "2025-04-22T15:58Z"}, "timestamp: must be ISO 8601"),
        (TRACK | {"timestamp": "2025-04-22T15:58:02"}, "timestamp: must be ISO 8601"),
        (TRACK | {"timestamp": "2025-04-22T15:58:02.5Z"}, "timestamp: must be ISO 8601"),
        (TRACK | {"timestamp": "2025-04-22T15:58:02+00:00"}, "timestamp: must be ISO 8601"),
        (TRACK | {"timestamp": "2025-02-30T15:58:02Z"}, "timestamp: no such date"),
    ],
)
def test_a_wrong_field_is_named_with_the_index_of_its_message(message: dict[str, Any], said: str) -> None:
    error = refusal([TRACK, message])
    assert said in str(error)
    assert (error.index, error.status) == (1, 400)
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"secret-value", "not JSON"),
        (b'{"type":"identify","userId":"u1","traits":{"a":NaN}}', "not JSON"),
        (b'{"type":"identify","userId":"u1","traits":{"a":Infinity}}', "not JSON"),
        (b'{"type":"identify","userId":"u1","traits":{"a":1e999}}', "not JSON"),
        (b'{"type":"identify","userId":"\xff","traits":{}}', "not JSON"),
        (b'{"type":"identify","userId":"u1","userId":"u2","traits":{}}', "appears twice"),
        (b'{"type":"identify","userId":"u1","traits":{"a":1,"a":1}}', "appears twice"),
        (b"[]", "empty array"),
        (b'"identify"', "must be a JSON object"),
        (b"[1]", "must be a JSON object"),
        (b"[[]]", "must be a JSON object"),
    ],
)
def test_a_body_that_is_not_messages_is_refused_without_quoting_it(body: bytes, said: str) -> None:
    error = refusal(body)
    assert said in str(error)
    assert error.status == 400
    assert "secret" not in str(error)


def test_json_may_be_spaced_and_escaped_as_it_likes() -> None:
    spaced = b'[ {"type": "identify", "userId": "\\u00e9", "traits": {"n": 1.0e2}} ]'
    assert check(spaced).messages == [IDENTIFY | {"userId": "é", "traits": {"n": 100.0}}]


def test_the_content_type_must_say_json() -> None:
    assert "content-type" in str(refusal(IDENTIFY, "text/plain"))
    assert "content-type" in str(refusal(IDENTIFY, ""))
    assert len(check(IDENTIFY, "application/json; charset=utf-8")) == 1


def test_one_type_to_a_request() -> None:
    error = refusal([IDENTIFY, IDENTIFY, GROUP])
    assert ("one type" in str(error), error.index) == (True, 2)


def test_the_limits_are_met_exactly() -> None:
    assert refusal([TRACK] * 101).status == 413
    room = MAX_MESSAGE_BYTES - len(orjson.dumps(IDENTIFY | {"traits": {"a": ""}}))
    assert len(check(IDENTIFY | {"traits": {"a": "x" * room}})) == 1
    error = refusal([IDENTIFY, IDENTIFY | {"traits": {"a": "x" * (room + 1)}}])
    assert (error.status, error.index) == (413, 1)
    body = orjson.dumps(IDENTIFY)
    assert len(check(body + b" " * (MAX_BODY_BYTES - len(body)))) == 1
    assert refusal(body + b" " * (MAX_BODY_BYTES - len(body) + 1)).status == 413
