// What is wrong, above everything else on a page.
import { element } from "./element.js";

export class Notices {
  constructor() {
    this.root = element("div", "m-notices", "", { role: "status" });
    this.shown = "";
  }

  // Each text is a paragraph of its own.
  show(texts) {
    const shown = texts.join("\n");
    if (shown === this.shown) return;
    this.shown = shown;
    this.root.replaceChildren(...texts.map((text) => element("p", "m-notice", text)));
  }

  // The texts for an answer of the hub, and for the last time that there was one.
  static texts({ storage = "", dropped = "", silent = false, lost = false, answeredAt = 0 }) {
    const when = answeredAt ? ` What you see is from ${new Date(answeredAt).toLocaleTimeString()}.` : "";
    const texts = [];
    if (lost) texts.push(`The hub does not answer: is it running?${when} The page goes on by itself.`);
    else if (silent) texts.push(`The hub is busy or hangs.${when} Whether devices are online is not known.`);
    if (storage) texts.push(storage);
    if (dropped) texts.push(dropped);
    return texts;
  }
}
