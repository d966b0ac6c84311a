// The ball: frames by chart, truth, forecast and samples, along geodesics.

// Told apart by people who do not see all colours (Tol's bright, without its red: that is the forecast's).
const CHART_COLOURS = ["#4477aa", "#ccbb44", "#228833", "#66ccee", "#aa3377", "#8a8a8a"];
const CHART_SHAPES = ["disc", "square", "triangle", "diamond"];

const chartColour = (chart) => CHART_COLOURS[chart % CHART_COLOURS.length];
const chartShape = (chart) => CHART_SHAPES[Math.floor(chart / CHART_COLOURS.length) % 4];

// All that the ball shows, of points as `unpack` makes them; `state` says which forecast, and how far.
class Ball {
  constructor(canvas, data, state) {
    this.data = data;
    this.state = state;
    this.cloud = unpack(data.cloud.points);
    this.middles = this.chartMiddles();
    const reach = Math.max(...this.cloud.map((point) => Math.hypot(...point)), 1e-3);
    this.whole = { centre: [0, 0, 0], extent: 1.1 * reach };
    const view = { yaw: 0.6, pitch: 0.45, zoom: 1, ...this.whole };
    this.orbit = new Orbit(canvas, view, (...painted) => this.paint(...painted));
  }

  chartMiddles() {
    const sums = new Map();
    this.cloud.forEach((point, i) => {
      const chart = this.data.cloud.chart[i], sum = sums.get(chart) || [0, 0, 0, 0];
      sums.set(chart, [sum[0] + point[0], sum[1] + point[1], sum[2] + point[2], sum[3] + 1]);
    });
    return new Map([...sums].map(([k, sum]) => [k, sum.slice(0, 3).map((part) => part / sum[3])]));
  }

  // All frames of the split, or the frames of this forecast.
  frame() {
    const { episode, start, close } = this.state;
    if (!close) return Object.assign(this.orbit.view, this.whole);
    const first = episode.starts[start];
    const points = [...this.truth(first), ...episode.forecast[start]];
    const centre = [0, 1, 2].map((i) => {
      const parts = points.map((point) => point[i]);
      return (Math.min(...parts) + Math.max(...parts)) / 2;
    });
    const off = points.map((point) => Math.hypot(...centre.map((part, i) => point[i] - part)));
    return Object.assign(this.orbit.view, { centre, extent: 1.15 * Math.max(...off, 1e-6) });
  }

  truth(first) {
    const { episode } = this.state, { context, horizon } = this.data;
    return episode.truth.slice(Math.max(0, first + 1 - context), first + horizon + 1);
  }

  paint(context, width, height) {
    this.frame();
    const { project, scale } = this.orbit.projection(width, height);
    this.paintSpace(context, project, scale, [width, height]);
    const { episode, start, step, fan } = this.state, c = this.data.c;
    const line = (points, style) => stroke(context, geodesics(points, c).map(project), style);
    line(episode.truth, { strokeStyle: INK, lineWidth: 1, globalAlpha: 0.14 });
    const first = episode.starts[start], known = episode.truth[first];
    const path = [known, ...episode.forecast[start]], truth = this.truth(first);
    const passed = truth.slice(0, truth.length - this.data.horizon + step);
    if (fan && episode.fan) {
      for (const sample of episode.fan[start]) {
        const shown = [known, ...sample.slice(0, step)];
        line(shown, { strokeStyle: FORECAST, lineWidth: 1, globalAlpha: 0.3 });
      }
    }
    line(truth, { strokeStyle: INK, lineWidth: 1.2, globalAlpha: 0.35 });
    line(path, { strokeStyle: FORECAST, lineWidth: 1.2, globalAlpha: 0.35 });
    line(passed, { strokeStyle: INK, lineWidth: 2.4 });
    line(path.slice(0, step + 1), { strokeStyle: FORECAST, lineWidth: 2.4 });
    this.paintEvents(context, project, path, first);
    const here = path[step], there = episode.truth[first + step];
    if (step) {
      const between = geodesic(here, there, here[5], c);
      const points = Array.from({ length: 13 }, (_, i) => project(between(i / 12)));
      stroke(context, points, { strokeStyle: INK, lineWidth: 1.2, dash: [3, 3] });
    }
    mark(context, project(known), "disc", 5, { fillStyle: "#fff", strokeStyle: INK, lineWidth: 1.5 });
    mark(context, project(there), "disc", 5, { fillStyle: INK, strokeStyle: "#fff" });
    mark(context, project(here), "square", 5, { fillStyle: FORECAST, strokeStyle: "#fff" });
  }

  // The boundary, spheres of constant distance from the origin, the three directions, and frames by chart.
  paintSpace(context, project, scale, size) {
    const radius = 1 / Math.sqrt(this.data.c), origin = project([0, 0, 0]);
    const sphere = (r, style) =>
      stroke(context, Array.from({ length: 120 }, (_, i) => [
        origin[0] + r * scale * Math.cos(i * Math.PI / 60),
        origin[1] + r * scale * Math.sin(i * Math.PI / 60),
      ]), { ...style, closed: true });
    const most = 2 * radius * Math.atanh(Math.min(0.999, this.orbit.view.extent / radius));
    const spacing = [0.1, 0.2, 0.5, 1, 2].find((each) => most / each <= 4) || 5;
    context.fillStyle = QUIET;
    for (let k = 1; k * spacing <= 1.5 * most; k++) {
      const r = radius * Math.tanh(k * spacing / 2 / radius);
      sphere(r, { strokeStyle: LINE, lineWidth: 1 });
      const [x, y] = [origin[0] + 0.707 * r * scale, origin[1] + 0.707 * r * scale];
      if (x < size[0] - 24 && y < size[1] - 6) context.fillText(`${+(k * spacing).toFixed(1)}`, x + 3, y);
    }
    sphere(radius, { strokeStyle: INK, lineWidth: 1.2 });
    const reach = this.whole.extent;
    [0, 1, 2].forEach((i) => {
      const ends = [-reach, reach].map((at) => project([0, 1, 2].map((j) => (i === j ? at : 0))));
      stroke(context, ends, { strokeStyle: LINE, lineWidth: 1 });
      context.fillText(`${i + 1}`, ends[1][0] + 4, ends[1][1]);
    });
    this.cloud.forEach((point, i) => {
      const chart = this.data.cloud.chart[i];
      const style = { fillStyle: chartColour(chart), globalAlpha: 0.4 };
      mark(context, project(point), chartShape(chart), 2.2, style);
    });
  }

  // Where the truth changes its chart, and where the forecast jumps.
  paintEvents(context, project, path, first) {
    const { episode, start, step } = this.state, edge = { strokeStyle: INK, lineWidth: 1 };
    for (let h = 1; h <= step; h++) {
      const chart = episode.chart[first + h];
      if (chart !== episode.chart[first + h - 1]) {
        const style = { ...edge, fillStyle: chartColour(chart) };
        mark(context, project(episode.truth[first + h]), "diamond", 4.5, style);
      }
      if (episode.jumps[start].includes(h - 1)) {
        const style = { ...edge, fillStyle: "#ffd23f" };
        mark(context, project(path[h]), "star", 5, style);
      }
    }
    for (const [chart, middle] of this.middles) {
      const [x, y] = project(middle);
      label(context, chart, x, y + 4);
    }
  }
}
