/* The echo page: opens a WebSocket to the server of the page. */
"use strict";

const HEADERS = "headers"; // the server returns the request headers for this message
const find = (id) => document.getElementById(id);
const address = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`;
let socket;
let pendingHeaders = 0; // HEADERS messages without a reply yet
let sentAt = []; // when each line without a reply yet was sent

function show(label, kind, reason) {
  find("state").textContent = label;
  find("state").className = `state ${kind}`;
  find("reason").textContent = reason || "";
  find("reason").hidden = !reason;
  find("again").hidden = kind !== "off";
}

function connect() {
  let opened = false;
  show("Connecting", "wait");
  pendingHeaders = 0;
  sentAt = [];
  socket = new WebSocket(address);
  socket.addEventListener("open", () => {
    opened = true;
    show("Open", "on");
  });
  socket.addEventListener("message", (event) => (pendingHeaders ? showHeaders(event.data) : showEcho(event.data)));
  socket.addEventListener("close", (event) => {
    const refused =
      "The handshake was refused. WebSockets may not be enabled for the account, or not switched on for the service.";
    const cut = `The connection has ended (code ${event.code}${event.reason ? `: ${event.reason}` : ""}).`;
    show(opened ? "Closed" : "Not connected", "off", opened ? cut : refused);
  });
}

function send(text) {
  if (socket.readyState !== WebSocket.OPEN) {
    find("reason").textContent = "Not sent: the connection is not open.";
    find("reason").hidden = false;
    return false;
  }
  socket.send(text);
  return true;
}

function showEcho(text) {
  const item = document.createElement("li");
  const line = document.createElement("code");
  const took = document.createElement("span");
  line.textContent = text;
  took.textContent = `${(performance.now() - sentAt.shift()).toFixed(1)} ms`;
  item.append(line, took);
  find("echoes").append(item);
  find("log").scrollTop = find("log").scrollHeight;
  find("silence").hidden = true;
}

function showHeaders(text) {
  pendingHeaders -= 1;
  const rows = JSON.parse(text).headers.map(([name, value]) => {
    const row = document.createElement("tr");
    for (const cell of [name, value]) row.insertCell().textContent = cell;
    return row;
  });
  find("headers").replaceChildren(...rows);
  find("table").hidden = false;
}

find("address").textContent = address;
find("again").addEventListener("click", connect);
find("ask").addEventListener("click", () => {
  if (send(HEADERS)) pendingHeaders += 1;
});
find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const line = find("line");
  if (line.value === HEADERS) {
    if (send(HEADERS)) pendingHeaders += 1;
  } else if (send(line.value)) {
    sentAt.push(performance.now());
  } else return;
  line.value = "";
});
connect();
