// What the pages share: import { ... } from "mote-dashboard".
export { LineChart, begin } from "./chart.js";
export { element } from "./element.js";
export { Feed } from "./feed.js";
export { age, duration, format, since } from "./format.js";
export { Notices } from "./notices.js";
