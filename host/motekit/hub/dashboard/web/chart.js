// Charts over time in one style: gaps where readings are missing, a mark for a reading that stands
// alone, an axis that suits the values.
import { echarts } from "nicegui-echart";
import { element } from "./element.js";
import { format } from "./format.js";

const PALETTE = ["#0f7a54", "#2f6fde", "#d97706", "#a63d8f", "#0891b2", "#be4b3b", "#6d8b1f", "#6b5bd2"];
const DASHES = ["solid", "dashed", "dotted"];
const SOFT = "#7d8f86";
const LINE = "rgba(125,143,134,.18)";
// After about three missing intervals a line ends.
const MISSING = 3.5;
// A tooltip names readings of up to so many lines, which are this part of the chart away at most.
const NAMED_MAX = 12;
const NEAR = 25;
// A live chart that has just begun is so wide.
const SHORTEST_MS = 60000;

// Rows (time first, sorted) with a row of nulls where readings are missing. The interval is estimated
// from the rows themselves, and is at least `step`.
export function withGaps(rows, step = 0) {
  if (rows.length < 3) return rows;
  const most = MISSING * Math.max(interval(rows), step);
  const found = [rows[0]];
  rows.slice(1).forEach((row, i) => {
    const distance = row[0] - rows[i][0];
    if (distance > most) found.push([rows[i][0] + distance / 2, ...rows[i].slice(1).map(() => null)]);
    found.push(row);
  });
  return found;
}

// The usual distance of rows: the median; 0 for a single one.
function interval(rows) {
  const distances = rows.slice(1).map((row, i) => row[0] - rows[i][0]).sort((a, b) => a - b);
  return distances[Math.floor((distances.length - 1) / 2)] ?? 0;
}

// Where a live chart begins: `from`, or later while there are only readings of the last moments.
export function begin(lines, from, to) {
  const first = Math.min(...lines.map(({ rows }) => rows[0]?.[0] ?? to));
  return Math.max(from, Math.min(first, to - SHORTEST_MS));
}

// The row nearest to a time, if there is one near it.
export function nearest(rows, time, near) {
  const distance = (row) => Math.abs(row[0] - time);
  const found = rows.reduce((best, row) => (distance(row) < distance(best) ? row : best), rows[0]);
  return found && distance(found) <= Math.max(near, interval(rows)) ? found : undefined;
}

// For each row whether no line leads to it.
export function isolated(rows) {
  const missing = (row) => row === undefined || row[1] === null;
  return rows.map((row, i) => !missing(row) && missing(rows[i - 1]) && missing(rows[i + 1]));
}

// Least, greatest and distance of the ticks for values from `low` to `high`, shown with `decimals`.
// Values that hardly differ get an axis of some last digits, not of their whole size.
export function axis(low, high, decimals) {
  const digit = 10 ** -decimals;
  const size = Math.max(Math.abs(low), Math.abs(high));
  const least = Math.max(size > 0 && size < digit ? size : 4 * digit, size * 1e-9);
  let [from, to] = [low, high];
  if (to - from < least) {
    from = (low + high - least) / 2;
    to = from + least;
    if (low >= 0 && from < 0) [from, to] = [0, least];
  }
  const step = nice((to - from) / 5);
  const min = Math.floor(from / step + 1e-6) * step;
  const max = Math.ceil(to / step - 1e-6) * step;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  // Multiples of the step, without the noise of binary fractions.
  const exact = (value) => (digits <= 100 ? Number(value.toFixed(digits)) : value);
  return { min: exact(min), max: exact(max), interval: step, digits };
}

// A round number near `step`.
function nice(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = step / power;
  const [, round] = [[1.5, 1], [2.5, 2], [4, 3], [7, 5], [Infinity, 10]].find(([below]) => factor < below);
  return round * power;
}

function tick(value, digits) {
  if (digits > 9 || Math.abs(value) >= 1e9) return value === 0 ? "0" : value.toExponential(1);
  return value.toFixed(digits);
}

function escape(text) {
  return echarts.format.encodeHTML(text);
}

export class LineChart {
  // `label` says to a screen reader what is shown; with `legend` there are several lines.
  constructor({ label, legend = false }) {
    this.legend = legend;
    this.canvas = element("div", "m-chart", "", { role: "img", "aria-label": label });
    this.note = element("p", "m-chart m-nothing");
    this.root = element("div");
    this.root.append(this.canvas, this.note);
    this.note.hidden = true;
  }

  describe(label) {
    this.canvas.setAttribute("aria-label", label);
  }

  // `lines` are {name, rows}, rows [time, value] or, of a history with `step`, [time, low, mean, high];
  // `nothing` is said if there are none.
  draw({ lines, from, to, unit, decimals, step = 0, nothing = "" }) {
    const values = lines.flatMap(({ rows }) => rows.flatMap((row) => row.slice(1)));
    this.canvas.hidden = !values.length;
    this.note.hidden = !!values.length;
    this.note.textContent = nothing;
    if (!values.length) return;
    Object.assign(this, { lines, from, to, unit, decimals });
    const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const { min, max, interval, digits } = axis(low, high, decimals);
    const series = lines.flatMap((line, i) => (step ? history(line, step * 1000) : [live(line, i)]));
    this.chart ??= this.open();
    this.chart.setOption(
      {
        xAxis: { min: from, max: to },
        yAxis: { min, max, interval, axisLabel: { formatter: (value) => tick(value, digits) } },
        series,
      },
      { replaceMerge: ["series"] },
    );
  }

  open() {
    const chart = echarts.init(this.canvas);
    const label = { color: SOFT, hideOverlap: true };
    chart.setOption({
      color: PALETTE,
      animation: false,
      grid: { left: 8, right: 28, top: this.legend ? 34 : 14, bottom: 4, containLabel: true },
      legend: {
        show: this.legend, type: "scroll", top: 0, left: 0, icon: "roundRect",
        textStyle: { color: SOFT }, pageTextStyle: { color: SOFT }, pageIconColor: SOFT,
      },
      tooltip: {
        trigger: "axis", confine: true, formatter: (shown) => this.tooltip(shown),
        backgroundColor: "var(--m-card)", borderColor: "var(--m-line)",
        textStyle: { color: "var(--m-ink)" },
        // Long names are broken, or the tooltip would be wider than the chart.
        extraCssText: "max-width: min(22rem, 90%); white-space: normal; overflow-wrap: anywhere;",
      },
      xAxis: { type: "time", axisLabel: label, splitLine: { show: false }, axisLine: { onZero: false } },
      yAxis: { type: "value", axisLabel: label, splitLine: { lineStyle: { color: LINE } } },
      series: [],
    });
    this.observer = new ResizeObserver(() => this.canvas.hidden || chart.resize());
    this.observer.observe(this.canvas);
    return chart;
  }

  close() {
    this.observer?.disconnect();
    this.chart?.dispose();
  }

  // ECharts itself names only the lines whose reading is nearest to the pointer: of devices that send
  // at different times, one.
  tooltip([{ axisValue }]) {
    const unit = this.unit ? ` ${this.unit}` : "";
    const value = (number) => escape(format(number, this.decimals) + unit);
    const near = (this.to - this.from) / NEAR;
    const found = this.lines.map((line, i) => [line, i, nearest(line.rows, axisValue, near)]);
    const rows = found.filter(([, , row]) => row).map(([{ name }, i, [, low, mean = low, high = low]]) => {
      const dot = `<span class="m-dot" style="background:${PALETTE[i % PALETTE.length]}"></span>`;
      const between = low === high ? "" : `<br>${value(low)} – ${value(high)}`;
      return `${dot}${this.legend ? `${escape(name)} ` : ""}<b>${value(mean)}</b>${between}`;
    });
    const more = rows.length > NAMED_MAX ? [`and ${rows.length - NAMED_MAX} more`] : [];
    return [escape(new Date(axisValue).toLocaleString()), ...rows.slice(0, NAMED_MAX), ...more].join("<br>");
  }
}

function points(rows) {
  const alone = isolated(rows);
  return rows.map((value, i) => (alone[i] ? { value, symbol: "circle", symbolSize: 7 } : value));
}

function live({ name, rows }, number) {
  const dash = DASHES[Math.floor(number / PALETTE.length) % DASHES.length];
  const color = PALETTE[number % PALETTE.length];
  return {
    name, type: "line", symbol: "none", showSymbol: true, lineStyle: { width: 2, type: dash, color },
    itemStyle: { color }, data: points(withGaps(rows)),
  };
}

// The mean as a line, and behind it the band from the least to the greatest value.
function history({ name, rows }, step) {
  const found = withGaps(rows, step);
  const column = (of) => found.map((row) => [row[0], row[1] === null ? null : of(row)]);
  const quiet = {
    type: "line", stack: "band", symbol: "none", silent: true, lineStyle: { opacity: 0 },
    tooltip: { show: false },
    // Else values of opposite signs are not added, and the band of a freezer begins at 0.
    stackStrategy: "all",
  };
  return [
    { ...quiet, name: "low", data: column(([, low]) => low) },
    {
      ...quiet, name: "band", data: column(([, low, , high]) => high - low),
      areaStyle: { color: PALETTE[0], opacity: 0.16 },
    },
    {
      name, type: "line", symbol: "none", showSymbol: true, lineStyle: { width: 2, color: PALETTE[0] },
      itemStyle: { color: PALETTE[0] }, data: points(column(([, , mean]) => mean)),
    },
  ];
}
