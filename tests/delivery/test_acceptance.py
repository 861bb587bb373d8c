"""What the body of a 2xx says: the strict table, form by form."""

from __future__ import annotations

import pytest

from candu_sync.delivery.acceptance import Item, NotJson, SaysNo, read_acceptance

YES, NO = Item(True), Item(False)


@pytest.mark.parametrize("body", [
    "", " \n", "{}", "[]", "null", "true", '{"success": true}', '{"ok": "true"}', '{"status": "queued"}',
    '{"status": 202}', '{"error": null}', '{"errors": []}', '{"errors": {}, "failed": 0}', '{"success": 2}',
    '{"accepted": 2, "rejected": 0}', '[{"id": 1}, {"id": 2}]', '{"data": {"id": 7}}',
    '[{"success": true}, {"success": true}]', '{"messages": [{"type": "track", "properties": {"error": "x"}}, {}]}'])
def test_accepted(body: str) -> None:
    assert read_acceptance(body.encode(), 2) is None


@pytest.mark.parametrize("body", [
    "false", '{"success": false}', '{"Success": "False"}', '{"success": 0}', '{"success": "maybe"}', '{"ok": "no"}',
    '{"status": false}', '{"status": "failed"}', '{"statusCode": 500}', '{"status": "404 Not Found"}',
    '{"error": "x"}', '{"error": {"code": 1}}', '{"errors": ["x"]}', '{"errors": [{"index": 1}]}',
    '{"accepted": 1, "rejected": 1}', '{"data": {"success": false}}', '{"response": {"errors": ["x"]}}',
    '[{"success": false}]', '{"results": [{"success": false}]}', '{"success": false, "results": [{}, {"error": 1}]}',
    '{"success": false, "results": [{"ok": true}, {"ok": true}]}', '{"success": "false", "data": {"ok": true}}'])
def test_not_accepted(body: str) -> None:
    with pytest.raises(SaysNo):
        read_acceptance(body.encode(), 2)


@pytest.mark.parametrize("body", ["OK", "<html></html>", "{", '"ok"', "7", "NaN", "\x00"])
def test_no_answer_of_an_api(body: str) -> None:
    with pytest.raises(NotJson):
        read_acceptance(body.encode(), 2)


@pytest.mark.parametrize(("body", "items"), [
    ('[{"success": true}, {"success": false}]', (YES, NO)),
    ('[true, false]', (YES, NO)),
    ('{"results": [{"status": 200}, {"status": 422}]}', (Item(True, 200), Item(False, 422))),
    ('{"success": false, "results": [{"ok": true}, {"error": "x"}]}', (YES, NO)),
    ('{"data": {"items": [{"status": "ok"}, {"status": "failed"}]}}', (YES, NO)),
    ('{"errors": true, "items": [{"status": 201}, {"status": 429}]}', (Item(True, 201), Item(False, 429))),
    ('{"statuses": [200, 400]}', (Item(True, 200), Item(False, 400))),
    ('[{}, {"error": "x"}]', (YES, NO))])
def test_message_by_message(body: str, items: tuple[Item, ...]) -> None:
    assert read_acceptance(body.encode(), 2) == items


def test_a_207_must_say_it_of_each() -> None:
    assert read_acceptance(b'[{"status": 200}, {"status": 200}]', 2, each=True) is None
    for body in (b"", b"{}", b'{"success": true}', b'[{}, {"error": "x"}]', b'[{"status": 200}]'):
        with pytest.raises(NotJson):
            read_acceptance(body, 2, each=True)
