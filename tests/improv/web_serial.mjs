// The real SDK at a serial port: orders come as JSON lines, each is answered by one, events too.
// Arguments: the folder of node_modules, the path of the port.
import { constants, createReadStream, openSync, writeSync } from "node:fs";
import { register } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The package is written for bundlers: its files are modules, imported without their endings.
register(
  "data:text/javascript," +
    encodeURIComponent(`
const own = /improv-wifi-serial-sdk\\/dist/;
export const resolve = (name, context, next) =>
  next(own.test(context.parentURL) && !name.endsWith(".js") ? name + ".js" : name, context);
export const load = (url, context, next) =>
  next(url, own.test(url) ? { ...context, format: "module" } : context);
`),
);

const [modules, path] = process.argv.slice(2);
const sdk = pathToFileURL(`${modules}/improv-wifi-serial-sdk/dist/serial.js`).href;
const { ImprovSerial } = await import(sdk);

const tell = (what) => writeSync(1, JSON.stringify(what) + "\n");
const complain = (...words) => process.stderr.write(words.join(" ") + "\n");

// As Web Serial gives it to a page: two streams of bytes.
function serialPort() {
  const wire = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const received = createReadStream("", { fd: wire, highWaterMark: 256 });
  return {
    readable: new ReadableStream({
      start(controller) {
        received.on("data", (bytes) => controller.enqueue(new Uint8Array(bytes)));
      },
    }),
    writable: new WritableStream({
      write(bytes) {
        writeSync(wire, bytes);
      },
    }),
    wire,
  };
}

const port = serialPort();
const client = new ImprovSerial(port, { log() {}, debug() {}, error: complain });
client.addEventListener("state-changed", () => tell({ state: client.state }));
client.addEventListener("error-changed", () => tell({ error: client.error }));

const orders = {
  raw: async (hex) => writeSync(port.wire, Buffer.from(hex, "hex")),
  url: async () => client.nextUrl ?? null,
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...given] = JSON.parse(line);
  try {
    const done = orders[name] ? orders[name](...given) : client[name](...given);
    tell({ done: (await done) ?? null });
  } catch (error) {
    tell({ failed: String(error.message ?? error) });
  }
}
// A read of the port that is under way would keep the process.
process.exit(0);
