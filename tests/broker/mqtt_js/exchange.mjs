// MQTT.js against a broker: `node exchange.mjs <port> <protocol version>`; prints JSON.
// Two clients: a subscriber that is absent for a while, and a publisher with a last will.
import mqtt from "mqtt";

const [port, version] = process.argv.slice(2).map(Number);
const common = { host: "127.0.0.1", port, protocolVersion: version, reconnectPeriod: 0 };
const kept = version === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
const seen = [];

async function subscriber() {
  const client = mqtt.connect({ ...common, ...kept, clientId: "js-subscriber", clean: false });
  client.on("message", (topic, payload, packet) =>
    seen.push([topic, payload.toString(), packet.qos, packet.retain]));
  const connack = await new Promise((resolve, reject) => {
    client.once("connect", resolve);
    client.once("error", reject);
  });
  return { client, connack };
}

const received = async (count) => {
  const end = Date.now() + 60_000;
  while (seen.length < count) {
    if (Date.now() > end) throw new Error(`only ${seen.length} messages came`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return seen.splice(0);
};

let { client } = await subscriber();
const granted = await client.subscribeAsync({ "js/#": { qos: 2 } });
const will = { topic: "js/will", payload: "gone", qos: 1, retain: false };
const publisher = await mqtt.connectAsync({ ...common, clientId: "js-publisher", will });
for (const qos of [0, 1, 2]) await publisher.publishAsync("js/live", `qos ${qos}`, { qos });
await publisher.publishAsync("js/kept", "kept", { qos: 1, retain: true });
const live = await received(4);
await client.endAsync();
for (const qos of [1, 2]) await publisher.publishAsync("js/late", `qos ${qos}`, { qos });
publisher.stream.destroy();
const back = await subscriber();
const late = await received(3);
const result = {
  granted: granted.map(({ topic, qos }) => [topic, qos]),
  live, late,
  sessionPresent: back.connack.sessionPresent,
  serverKeepAlive: back.connack.properties?.serverKeepAlive ?? null,
};
await back.client.endAsync();
console.log(JSON.stringify(result));
process.exit(0);
