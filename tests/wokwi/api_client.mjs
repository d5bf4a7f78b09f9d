// The API client that wokwi-cli is built on: orders come as JSON lines, each is answered by one,
// and events are lines too. Argument: the folder of node_modules. {"path": …} is a file's content.
import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const modules = process.argv[2];
const load = (file) => import(pathToFileURL(`${modules}/${file}`).href);
const { APIClient } = await load("@wokwi/client/dist/index.js");
const { WebSocket } = await load("ws/wrapper.mjs");

const tell = (what) => writeSync(1, JSON.stringify(what) + "\n");
const { WOKWI_CLI_SERVER: server, WOKWI_CLI_TOKEN: token } = process.env;
const socket = new WebSocket(server, { headers: { Authorization: `Bearer ${token}` } });
const transport = {
  connect() {
    socket.on("message", (data) => this.onMessage(JSON.parse(data)));
    return new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  },
  send: (message) => socket.send(JSON.stringify(message)),
  close: () => socket.close(),
};

const client = new APIClient(transport);
client.onConnected = (hello) => tell({ event: "hello", ...hello });
for (const name of ["serial-monitor:data", "sim:pause", "pin:change"]) client.listen(name, tell);
await client.connected;
const filled = (key, value) => (value?.path ? new Uint8Array(readFileSync(value.path)) : value);
for await (const line of createInterface({ input: process.stdin })) {
  const [method, ...given] = JSON.parse(line, filled);
  try {
    tell({ done: (await client[method](...given)) ?? null });
  } catch (error) {
    tell({ failed: error.message });
  }
}
client.close();
