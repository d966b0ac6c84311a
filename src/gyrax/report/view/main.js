// One state, which the slider, the buttons and the keys change, and every picture shows.

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const state = { number: -1, episode: null, start: 0, step: 0, playing: false, fan: true, close: true };
const HOLD = 0.8; // seconds at the end of a forecast, before it begins anew
const SLOWER = 4; // so many times slower than it happened

function opened(raw) {
  const { horizon, samples } = data;
  return {
    ...raw,
    truth: unpack(raw.truth),
    forecast: grouped(unpack(raw.forecast), horizon),
    fan: raw.fan && grouped(grouped(unpack(raw.fan), horizon), samples),
    seen: unpack(raw.seen),
    foreseen: grouped(unpack(raw.foreseen), horizon),
    actions: unpack(raw.actions),
    errors: grouped(unpack(raw.errors), horizon),
    sheet: sheetOf(raw.pictures),
  };
}

function sheetOf(pictures) {
  if (!pictures) return null;
  const sheet = new Image();
  sheet.onload = redraw;
  sheet.src = pictures.sheet;
  return sheet;
}

function choose(number, start = 0) {
  if (number !== state.number) state.episode = opened(data.episodes[number]);
  state.number = number;
  state.start = Math.max(0, Math.min(state.episode.starts.length - 1, start));
  element("episode").value = number;
  const options = state.episode.starts.map((frame, i) => new Option(`frame ${frame}`, i));
  element("start").replaceChildren(...options);
  element("start").value = state.start;
  go(0);
}

function go(step) {
  state.step = Math.max(0, Math.min(data.horizon, step));
  element("slider").value = state.step;
  redraw();
}

// On from the last start of an episode is the first one of the next.
function nextStart(by) {
  const start = state.start + by, count = data.episodes.length;
  if (start >= 0 && start < state.episode.starts.length) return choose(state.number, start);
  return choose((state.number + by + count) % count, by > 0 ? 0 : Infinity);
}

const pictures = [];
const ball = new Ball(element("ball"), data, state);
pictures.push(ball.orbit);
const arm = data.robot.kind === "arm" ? new Arm(element("robot"), data, state) : null;
pictures.push(arm ? arm.orbit : new Curves(element("robot"), data, state, () => featureRows(data, state)).picture);
if (element("film")) pictures.push(new Film(element("film"), state).picture);
pictures.push(new Curves(element("actions"), data, state, () => actionRows(data, state)).picture);
pictures.push(new Curves(element("errors"), data, state, () => errorRows(data, state)).picture);
pictures.push(new Picture(element("timeline"), paintTimeline));

function redraw() {
  if (!state.episode) return;
  for (const picture of pictures) picture.redraw();
  element("play").textContent = state.playing ? "Pause" : "Play";
  element("told").textContent = told();
}

function told() {
  const { episode, start, step } = state, frame = episode.starts[start] + step;
  const seconds = (step / data.fps).toFixed(2);
  const parts = [`frame ${frame} of ${episode.length - 1}`, `${step} ahead (${seconds} s)`];
  if (step) {
    const [geodesicError, , feature] = episode.errors[start][step - 1];
    parts.push(`geodesic error ${shortNumber(geodesicError)}`, `RMSE ${shortNumber(feature)}`);
    if (arm) arm.off().forEach((cm, n) => parts.push(`cube${n ? " " + (n + 1) : ""} off by ${cm.toFixed(2)} cm`));
  }
  return parts.join(" · ");
}

// The whole episode: its charts, the starts, and where the slider is.
function paintTimeline(context, width, height) {
  const { episode, start, step } = state, across = (frame) => width * frame / episode.length;
  for (let from = 0, to; from < episode.length; from = to) {
    for (to = from + 1; episode.chart[to] === episode.chart[from]; to++);
    context.fillStyle = chartColour(episode.chart[from]);
    context.fillRect(across(from), 8, across(to - from), height - 16);
    if (across(to - from) > 30) label(context, episode.chart[from], across(to) - 12, height / 2 + 4);
  }
  episode.starts.forEach((frame, i) => {
    const style = { fillStyle: i === start ? FORECAST : "#fff", strokeStyle: INK, lineWidth: 1 };
    mark(context, [Math.max(5, Math.min(width - 5, across(frame))), 7], "triangle", i === start ? 5 : 4, style);
  });
  const from = episode.starts[start], shown = [across(from), across(from + data.horizon)];
  context.strokeStyle = FORECAST;
  context.lineWidth = 2;
  context.strokeRect(shown[0], 8, shown[1] - shown[0], height - 16);
  stroke(context, [[across(from + step), 3], [across(from + step), height - 3]], { strokeStyle: INK, lineWidth: 2 });
}

let before = 0, held = 0;
function tick(now) {
  if (!state.playing) return;
  const wait = state.step === data.horizon ? HOLD : SLOWER / data.fps;
  held += Math.min((now - before) / 1000, 0.25);
  before = now;
  if (held >= wait) {
    held = 0;
    go(state.step === data.horizon ? 0 : state.step + 1);
  }
  requestAnimationFrame(tick);
}

function play(on) {
  if (on && !state.playing) requestAnimationFrame((now) => { before = now; held = 0; tick(now); });
  state.playing = on;
  redraw();
}

function toggle(name) {
  state[name] = !state[name];
  element(name).setAttribute("aria-pressed", state[name]);
  redraw();
}

const KEYS = {
  " ": () => play(!state.playing),
  ArrowRight: () => go(state.step + 1),
  ArrowLeft: () => go(state.step - 1),
  Home: () => go(0),
  End: () => go(data.horizon),
  ArrowDown: () => nextStart(1),
  ArrowUp: () => nextStart(-1),
  n: () => choose((state.number + 1) % data.episodes.length),
  p: () => choose((state.number + data.episodes.length - 1) % data.episodes.length),
  f: () => data.samples && toggle("fan"),
  c: () => toggle("close"),
  "+": () => ball.orbit.zoom(1.25),
  "-": () => ball.orbit.zoom(0.8),
};

document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key];
  const own = event.target.tagName === "SELECT" || (event.target.tagName === "BUTTON" && event.key === " ");
  if (!action || own || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
});
element("slider").addEventListener("input", (event) => go(+event.target.value));
element("episode").addEventListener("change", (event) => choose(+event.target.value));
element("start").addEventListener("change", (event) => choose(state.number, +event.target.value));
element("play").addEventListener("click", () => play(!state.playing));
for (const name of ["fan", "close"]) element(name)?.addEventListener("click", () => toggle(name));
for (const [id, factor] of [["nearer", 1.25], ["farther", 0.8]]) {
  element(id).addEventListener("click", () => ball.orbit.zoom(factor));
}
element("timeline").addEventListener("click", (event) => {
  const { starts, length } = state.episode, at = length * event.offsetX / event.target.clientWidth;
  const off = starts.map((frame) => Math.abs(frame - at));
  choose(state.number, off.indexOf(Math.min(...off)));
});

data.episodes.forEach((episode, i) => element("episode").append(new Option(`${episode.number}`, i)));
element("slider").max = data.horizon;
choose(0, Math.floor(data.episodes[0].starts.length / 2));
