// Asks the hub for what changed, again and again: the next question after the last answer, so that a
// slow page or network never has more than one answer to wait for.

const ANSWER_MS = 15000;

export class Feed {
  // `address(token)` is where to ask; `answered(answer)` and `lost(error)` are told the outcome.
  constructor({ address, answered, lost, everyMs = 1000 }) {
    Object.assign(this, { address, answered, lost, everyMs });
    this.token = "";
    this.generation = 0;
    this.onVisible = () => document.hidden || this.restart(this.token);
  }

  start() {
    document.addEventListener("visibilitychange", this.onVisible);
    this.restart();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.onVisible);
    clearTimeout(this.timer);
    this.generation += 1;
  }

  // Ask at once; without a token for everything.
  restart(token = "") {
    clearTimeout(this.timer);
    this.generation += 1;
    this.token = token;
    this.ask(this.generation);
  }

  async ask(generation) {
    try {
      const answer = await ask(this.address(this.token));
      if (generation !== this.generation) return;
      this.token = answer.token;
      this.answered(answer);
    } catch (error) {
      if (generation !== this.generation) return;
      this.lost(error);
    }
    // A page that nobody looks at asks again when somebody does.
    if (!document.hidden) this.timer = setTimeout(() => this.ask(generation), this.everyMs);
  }
}

export async function ask(address) {
  const response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
  if (response.status === 401) location.reload();
  const answer = await response.json();
  if (response.ok) return answer;
  const error = new Error(answer.error ?? `status ${response.status}`);
  error.status = response.status;
  throw error;
}
