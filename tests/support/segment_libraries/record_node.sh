#!/bin/sh
# What Segment's library for Node sends for the calls of calls.json, as node.json: tests/support/segment_libraries/record_node.sh
#
# It needs node and npm. The tests read node.json, so that a machine without them runs the same comparison.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > npm.log
npm install --no-audit --no-fund --ignore-scripts --save-exact @segment/analytics-node@3.1.0 >> npm.log
cat > record.js <<'NODE'
const http = require("node:http");
const {readFileSync, writeFileSync} = require("node:fs");
const {Analytics} = require("@segment/analytics-node");
const [calls, output] = process.argv.slice(2);

const instants = (name, value) => value && value.instant ? new Date(value.instant) : value;
const server = http.createServer((request, response) => {
  let body = "";
  request.on("data", part => { body += part; });
  request.on("end", () => {
    const {version} = require("@segment/analytics-node/package.json");
    const {authorization, "content-type": type} = request.headers;
    const seen = {library: "@segment/analytics-node", version, node: process.version,
      request: {path: request.url, headers: {authorization, "content-type": type}, body: JSON.parse(body)}};
    writeFileSync(output, JSON.stringify(seen, null, 1) + "\n");
    response.end('{"success":true}');
    server.close();
  });
});
server.listen(0, "127.0.0.1", () => {
  const analytics = new Analytics({writeKey: "write-key", host: `http://127.0.0.1:${server.address().port}`});
  for (const {type, timestamp, ...call} of JSON.parse(readFileSync(calls, "utf8"), instants)) {
    analytics[type]({...call, timestamp: new Date(timestamp)});
  }
  analytics.closeAndFlush();
});
NODE
node record.js "$here/calls.json" "$here/node.json"
