// All devices at a glance, and one metric of them live. Cards are made and changed here, out of what
// the hub says has changed.
import { Feed, LineChart, Notices, age, begin, element, format } from "mote-dashboard";
import { ask } from "mote-dashboard/feed.js";
import { insert } from "mote-dashboard/rows.js";
import { isOnline, showState } from "mote-dashboard/state.js";

const LIVE_MS = 300000;
// From so many devices on there is a field to search them.
const SEARCH_FROM = 12;

export default {
  template: "<div class='m-view'></div>",
  props: { empty: Array },
  mounted() {
    this.view = new Overview(this.$el, this.empty);
  },
  beforeUnmount() {
    this.view.close();
  },
};

class Overview {
  constructor(root, empty) {
    this.notices = new Notices();
    this.headline = element("p", "m-sub", "Loading …");
    this.search = element("input", "m-search", "", {
      type: "search", placeholder: "Search", "aria-label": "Search devices", hidden: "",
    });
    this.search.addEventListener("input", () => this.filter());
    const title = element("div", "m-row m-top");
    const words = element("div");
    words.append(element("h1", "m-title", "Devices"), this.headline);
    title.append(words, this.search);
    this.grid = element("section", "m-grid", "", { "aria-label": "Devices" });
    this.nothing = steps(empty);
    this.live = new Live(() => this.feed.restart(this.feed.token));
    root.append(this.notices.root, title, this.nothing, this.grid, this.live.root);
    this.cards = new Map();
    this.metrics = new Map();
    this.feed = new Feed({
      address: (token) => `/api/pages/overview?after=${token}&metric=${encodeURIComponent(this.live.metric)}`,
      answered: (answer) => this.answered(answer),
      lost: () => this.show({ lost: true }),
    });
    this.feed.start();
    this.clock = setInterval(() => this.tick(), 1000);
  }

  close() {
    this.feed.stop();
    clearInterval(this.clock);
    this.live.chart.close();
  }

  // A full answer may come at any time: what is shown already stays where it is.
  keepOnly(devices) {
    const there = new Set(devices.map(([id]) => id));
    for (const [id, card] of this.cards) {
      if (there.has(id)) continue;
      card.root.remove();
      this.cards.delete(id);
    }
  }

  answered(answer) {
    if (answer.full) this.keepOnly(answer.devices);
    this.aheadMs = answer.now - Date.now();
    this.answeredAt = Date.now();
    for (const metric of answer.metrics) this.metrics.set(metric[0], metric);
    for (const [id, state] of answer.devices) this.card(id).state = state;
    for (const [id, metric, time, value] of answer.readings) {
      this.card(id).reading(this.metrics.get(metric), time, value);
    }
    if (answer.full) this.live.reload(this.metrics);
    else if (answer.metrics.length) this.live.offer(this.metrics);
    this.live.add(answer.readings);
    this.show(answer);
  }

  show(answer) {
    const unknown = answer.lost || answer.silent;
    this.notices.show(Notices.texts({ storage: this.storage, ...answer, answeredAt: this.answeredAt }));
    if (!answer.lost) this.storage = answer.storage;
    let online = 0;
    for (const card of this.cards.values()) {
      showState(card.status, unknown ? "unknown" : card.state);
      online += isOnline(card.state);
    }
    const count = this.cards.size;
    this.nothing.hidden = count > 0 || !this.answeredAt;
    this.search.hidden = count < SEARCH_FROM;
    if (this.answeredAt && !unknown) this.headline.textContent = count ? `${online} of ${count} online` : "";
    if (unknown) this.headline.textContent = count ? `${count} devices, not known whether online` : "";
    this.tick();
  }

  tick() {
    const now = Date.now() + (this.aheadMs ?? 0);
    for (const card of this.cards.values()) card.tick(now);
    this.live.draw(now);
  }

  card(id) {
    let card = this.cards.get(id);
    if (card) return card;
    card = new Card(id);
    this.cards.set(id, card);
    const next = [...this.grid.children].find((other) => other.dataset.device > id);
    this.grid.insertBefore(card.root, next ?? null);
    this.filterOne(card);
    return card;
  }

  filter() {
    for (const card of this.cards.values()) this.filterOne(card);
  }

  filterOne(card) {
    card.root.hidden = !card.root.dataset.device.toLowerCase().includes(this.search.value.trim().toLowerCase());
  }
}

class Card {
  constructor(id) {
    this.root = element("a", "m-card", "", { href: `/device/${encodeURIComponent(id)}`, "data-device": id });
    const head = element("div", "m-row");
    this.status = element("span", "m-status");
    head.append(element("span", "m-name", id), this.status);
    this.root.append(head);
    this.rows = new Map();
    this.state = "unknown";
  }

  reading(metric, time, value) {
    const [name, label, unit, decimals] = metric;
    let row = this.rows.get(name);
    if (!row) {
      row = { metric, time: -Infinity, root: element("div", "m-row m-metric", "", { "data-metric": name }) };
      row.value = element("span", "", "", { "data-value": "" });
      row.age = element("span", "m-age");
      const shown = element("span", "m-value");
      shown.append(row.value, element("span", "m-unit", unit && ` ${unit}`));
      row.root.append(element("span", "m-label", label), shown, row.age);
      const after = [...this.rows.values()].filter((other) => before(metric, other.metric));
      const next = after.sort((a, b) => (before(a.metric, b.metric) ? -1 : 1))[0];
      this.root.insertBefore(row.root, next?.root ?? null);
      this.rows.set(name, row);
    }
    if (time < row.time) return;
    row.time = time;
    const text = format(value, decimals);
    if (row.value.textContent !== text) row.value.textContent = text;
  }

  tick(now) {
    for (const row of this.rows.values()) {
      const text = age(now - row.time);
      if (row.age.textContent !== text) row.age.textContent = text;
    }
  }
}

// Whether metric `a` is shown above `b`.
function before(a, b) {
  return a[4] !== b[4] ? a[4] < b[4] : a[0] < b[0];
}

// One metric of the devices over the last five minutes.
class Live {
  constructor(changed) {
    this.metric = "";
    this.lines = new Map();
    this.changed = changed;
    this.select = element("select", "m-select", "", { "aria-label": "Metric" });
    this.select.addEventListener("change", () => {
      this.load(this.select.value);
      this.changed();
    });
    this.note = element("p", "m-sub");
    const head = element("div", "m-row");
    head.append(element("h2", "m-name", "Live"), this.select);
    this.chart = new LineChart({ label: "", legend: true });
    this.root = element("section", "m-card", "", { "aria-label": "Live chart" });
    this.root.append(head, this.chart.root, this.note);
    this.root.hidden = true;
  }

  // Metrics to choose from, in their order.
  offer(metrics) {
    this.metrics = metrics;
    const sorted = [...metrics.values()].sort((a, b) => (before(a, b) ? -1 : 1));
    this.root.hidden = !sorted.length;
    this.select.replaceChildren(
      ...sorted.map(([name, label, unit]) => element("option", "", unit ? `${label}, ${unit}` : label, { value: name })),
    );
    if (!metrics.has(this.metric) && sorted.length) this.load(sorted[0][0]);
    this.select.value = this.metric;
  }

  reload(metrics) {
    this.offer(metrics);
    if (this.metric) this.load(this.metric);
  }

  async load(metric) {
    if (metric !== this.metric) this.lines = new Map();
    this.metric = metric;
    try {
      const { series, devices, lines } = await ask(`/api/pages/chart?metric=${encodeURIComponent(metric)}`);
      if (metric !== this.metric) return;
      const since = this.lines;
      this.most = lines;
      this.lines = new Map(Object.entries(series));
      this.note.textContent = devices > lines ? `${lines} of ${devices} devices are shown.` : "";
      // What came while the answer was on its way.
      for (const [id, rows] of since) for (const [time, value] of rows) this.one(id, time, value);
    } catch {
      // The next full answer loads it again.
    }
  }

  add(readings) {
    for (const [id, metric, time, value] of readings) if (metric === this.metric) this.one(id, time, value);
  }

  one(id, time, value) {
    let rows = this.lines.get(id);
    if (!rows) {
      if (this.lines.size >= (this.most ?? 0)) return;
      this.lines.set(id, (rows = []));
    }
    insert(rows, [time, value]);
  }

  draw(now) {
    const metric = this.metrics?.get(this.metric);
    if (!metric || document.hidden) return;
    const [, label, unit, decimals] = metric;
    for (const [id, rows] of this.lines) {
      const old = rows.findIndex(([time]) => time >= now - LIVE_MS);
      rows.splice(0, old < 0 ? rows.length : old);
      if (!rows.length) this.lines.delete(id);
    }
    const lines = [...this.lines].map(([name, rows]) => ({ name, rows }));
    lines.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.chart.describe(`${label} of ${lines.length} devices over the last five minutes`);
    const nothing = "No readings in the last 5 minutes.";
    const from = begin(lines, now - LIVE_MS, now);
    this.chart.draw({ lines, from, to: now, unit, decimals, nothing });
  }
}

// What to do while there is no device; text between backticks is code.
function steps(empty) {
  const root = element("section", "m-card m-empty");
  root.hidden = true;
  root.append(element("h2", "m-name", "No devices yet"));
  const list = element("ol");
  for (const text of empty.slice(0, -1)) list.append(marked("li", text));
  root.append(list, marked("p", empty.at(-1)));
  return root;
}

function marked(tag, text) {
  const made = element(tag, "m-sub");
  text.split("`").forEach((part, i) => made.append(i % 2 ? element("code", "", part) : part));
  return made;
}
