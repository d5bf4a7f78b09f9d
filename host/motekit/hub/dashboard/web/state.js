// The word for what a device does, shown in its color.
const NOT_KNOWN = ["unknown", "no status"];

export function isOnline(state) {
  return state !== "offline" && !NOT_KNOWN.includes(state);
}

export function showState(status, state, text = state) {
  if (status.textContent === text) return;
  status.textContent = text;
  status.classList.toggle("on", isOnline(state));
  status.classList.toggle("unknown", NOT_KNOWN.includes(state));
}
