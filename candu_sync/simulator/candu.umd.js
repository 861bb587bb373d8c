// A small stand-in of Candu's script for the simulator. It has the calls that Candu's developer docs publish
// ("Javascript API") and shows no content. How it writes batchEvent is the simulator's own.
"use strict";
(function () {
  const home = new URL(document.currentScript.src).origin;
  let user = null;

  // The answer of the simulator: {status, success, error}.
  async function send(events) {
    if (user === null || user.userId === undefined || user.userId === null) return {status: null, success: true};
    const {clientToken, userId, hmac} = user;
    const answer = await fetch(`${home}/api/batchEvent`, {
      method: "POST", headers: {"content-type": "application/json"},
      body: JSON.stringify({clientToken, userId: String(userId), hmac, events}),
    });
    const said = {status: answer.status, ...await answer.json().catch(() => ({success: false}))};
    if (!said.success) console.error(`Candu: batchEvent was answered with ${said.status}: ${said.error}`);
    return said;
  }

  const eventing = {
    identify(userId, traits) {
      user = {...user, userId};
      return send([{type: "identify", traits: traits || {}}]);
    },
    track: (event, properties) => send([{type: "track", event, properties: properties || {}}]),
    // Candu's REST API has neither, and nothing here would show them.
    page: () => Promise.resolve(),
    screen: () => Promise.resolve(),
  };

  window.Candu = {
    // "variables" are never logged to a server, and "callbacks" stay in the page, as Candu's docs say of them.
    init({clientToken, userId, traits, hmac}) {
      user = {clientToken, userId, hmac};
      return send([{type: "identify", traits: traits || {}}]);
    },
    getEventing: () => eventing,
  };
})();
