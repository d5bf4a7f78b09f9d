// One device: what it says of itself, and a chart a metric, live or over a longer time.
import { Feed, LineChart, Notices, begin, duration, element, format, since } from "mote-dashboard";
import { insert } from "mote-dashboard/rows.js";
import { showState } from "mote-dashboard/state.js";

const LIVE = "Live";
const LIVE_EVERY_MS = 1000;
const HISTORY_EVERY_MS = 5000;

export default {
  template: "<div class='m-view'></div>",
  props: { device: String, ranges: Array },
  mounted() {
    this.view = new Device(this.$el, this.device, this.ranges);
  },
  beforeUnmount() {
    this.view.close();
  },
};

class Device {
  constructor(root, id, ranges) {
    this.id = id;
    this.notices = new Notices();
    this.status = element("span", "m-status");
    const head = element("div", "m-row");
    head.append(element("h1", "m-title", id), this.status);
    const wanted = new URLSearchParams(location.search).get("range");
    this.range = ranges.includes(wanted) ? wanted : LIVE;
    this.buttons = element("div", "m-ranges", "", { role: "group", "aria-label": "Range" });
    for (const range of ranges) {
      const button = element("button", "m-range", range, { type: "button" });
      button.addEventListener("click", () => this.choose(range));
      this.buttons.append(button);
    }
    this.grid = element("section", "m-grid m-charts", "", { "aria-label": "Charts" });
    this.about = element("section", "m-card m-about", "", { "aria-label": "About this board" });
    this.about.hidden = true;
    this.absent = element("p", "m-sub", `There is no device "${id}". When it sends something, it is shown here.`);
    this.absent.hidden = true;
    root.append(this.notices.root, head, this.absent, this.buttons, this.grid, this.about);
    this.cards = new Map();
    this.feed = new Feed({
      address: (token) => `/api/pages/device/${encodeURIComponent(id)}?after=${token}&range=${encodeURIComponent(this.range)}`,
      answered: (answer) => this.answered(answer),
      lost: (error) => this.lost(error),
    });
    this.choose(this.range);
    this.clock = setInterval(() => this.draw(), 1000);
  }

  close() {
    this.feed.stop();
    clearInterval(this.clock);
    for (const card of this.cards.values()) card.chart.close();
  }

  choose(range) {
    this.range = range;
    this.feed.stop();
    for (const button of this.buttons.children) {
      button.setAttribute("aria-pressed", String(button.textContent === range));
    }
    const address = range === LIVE ? location.pathname : `?range=${encodeURIComponent(range)}`;
    history.replaceState(history.state, "", address);
    this.feed.everyMs = range === LIVE ? LIVE_EVERY_MS : HISTORY_EVERY_MS;
    this.feed.start();
  }

  answered(answer) {
    this.absent.hidden = true;
    this.buttons.hidden = false;
    this.unknown = answer.silent;
    this.storage = answer.storage;
    this.aheadMs = answer.now - Date.now();
    this.answeredAt = Date.now();
    this.notices.show(Notices.texts(answer));
    if (answer.device) [, this.state, this.changed] = answer.device;
    if (answer.info) this.tell(answer.info);
    this.seconds = answer.seconds;
    this.step = answer.step;
    for (const metric of answer.metrics) this.card(metric);
    for (const [name, rows] of Object.entries(answer.series)) {
      const card = this.cards.get(name);
      if (answer.full) card.rows = rows;
      else for (const row of rows) insert(card.rows, row);
      [card.time, card.last] = answer.latest[name];
    }
    this.draw();
  }

  lost(error) {
    this.absent.hidden = error.status !== 404;
    this.buttons.hidden = error.status === 404;
    if (error.status === 404) return;
    this.unknown = true;
    const { storage, answeredAt } = this;
    this.notices.show(Notices.texts({ lost: true, storage, answeredAt }));
    this.draw();
  }

  card(metric) {
    if (this.cards.has(metric[0])) return;
    const card = new Card(metric, this.id);
    this.cards.set(metric[0], card);
    this.grid.append(card.root);
  }

  draw() {
    if (!this.answeredAt) return;
    const now = Date.now() + this.aheadMs;
    const state = this.unknown ? "unknown" : this.state;
    const gone = state === "offline" && this.changed;
    showState(this.status, state, gone ? `offline for ${duration(now - this.changed)}` : state);
    this.status.title = gone ? `since ${new Date(this.changed).toLocaleString()}` : "";
    if (document.hidden) return;
    for (const card of this.cards.values()) card.draw(now, this);
  }

  tell(info) {
    this.about.hidden = !info.length;
    this.about.replaceChildren(element("h2", "m-name", "About this board"));
    for (const [label, text] of info) {
      const row = element("div", "m-row m-metric");
      row.append(element("span", "m-label", label), element("span", "m-fact", text));
      this.about.append(row);
    }
  }
}

class Card {
  constructor([name, label, unit, decimals], device) {
    Object.assign(this, { label, unit, decimals, device, rows: [] });
    this.root = element("div", "m-card", "", { "data-metric": name });
    const head = element("div", "m-row");
    this.value = element("span", "", "", { "data-value": "" });
    const shown = element("span", "m-value");
    shown.append(this.value, element("span", "m-unit", unit && ` ${unit}`));
    head.append(element("h2", "m-label", label), shown);
    this.chart = new LineChart({ label: `${label} of ${device}` });
    this.root.append(head, this.chart.root);
  }

  draw(now, { range, seconds, step }) {
    const from = now - seconds * 1000;
    const rows = this.rows.filter(([time]) => time >= from - step * 1000);
    this.value.textContent = format(this.last, this.decimals);
    const span = range === LIVE ? "5 minutes" : range;
    this.chart.describe(`${this.label} of ${this.device}, last ${span}`);
    const lines = rows.length ? [{ name: this.label, rows }] : [];
    this.chart.draw({
      lines, from: step ? from : begin(lines, from, now), to: now, unit: this.unit, decimals: this.decimals, step,
      nothing: `No readings in the last ${span}. The last one came ${since(now - this.time)}.`,
    });
  }
}
