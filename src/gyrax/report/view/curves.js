// Curves over the frames of a forecast, one row each: actions, errors, features.

const LEFT = 54, RIGHT = 12, FOOT = 18, HEAD = 17, GAP = 9;

// Rows are { title, lines: [{ values, from, style, steps }], log }; a line's first value is at frame `from`.
class Curves {
  constructor(canvas, data, state, rows) {
    this.data = data;
    this.state = state;
    this.rows = rows;
    this.picture = new Picture(canvas, (...painted) => this.paint(...painted));
  }

  paint(context, width, height) {
    const rows = this.rows(), each = (height - FOOT) / rows.length;
    const begin = 1 - this.data.context, across = (frame) =>
      LEFT + (width - LEFT - RIGHT) * (frame - begin) / (this.data.horizon - begin);
    rows.forEach((row, i) => this.paintRow(context, row, i * each + HEAD, (i + 1) * each - GAP, across));
    const x = across(this.state.step);
    stroke(context, [[x, 4], [x, height - FOOT]], { strokeStyle: INK, lineWidth: 1 });
    context.fillStyle = QUIET;
    context.textAlign = "center";
    const ticks = [0, Math.round(this.data.horizon / 2), this.data.horizon];
    ticks.forEach((frame) => context.fillText(`${frame}`, across(frame), height - 4));
    context.textAlign = "left";
    context.fillText("frame", 0, height - 4);
  }

  paintRow(context, row, top, bottom, across) {
    const values = row.lines.flatMap((line) => Array.from(line.values)).filter(Number.isFinite);
    const to = row.log ? (value) => Math.log(Math.max(value, 1e-9)) : (value) => value;
    const [least, most] = [Math.min(...values), Math.max(...values)], [low, high] = [to(least), to(most)];
    const down = (value) => (high > low ? bottom - (bottom - top) * (to(value) - low) / (high - low) : (top + bottom) / 2);
    context.fillStyle = QUIET;
    context.textAlign = "right";
    context.fillText(shortNumber(most), LEFT - 6, top + 8);
    if (high > low) context.fillText(shortNumber(least), LEFT - 6, bottom + 2);
    context.textAlign = "left";
    context.fillStyle = INK;
    context.fillText(row.title, LEFT, top - 5);
    stroke(context, [[LEFT, top], [LEFT, bottom]], { strokeStyle: LINE, lineWidth: 1 });
    stroke(context, [[across(0), top], [across(0), bottom]], { strokeStyle: LINE, lineWidth: 1 });
    for (const line of row.lines) {
      const points = [];
      Array.from(line.values).forEach((value, i) => {
        points.push([across(line.from + i), down(value)]);
        if (line.steps) points.push([across(line.from + i + 1), down(value)]);
      });
      stroke(context, points, { lineWidth: 1.6, ...line.style });
    }
  }
}

function shortNumber(value) {
  const size = Math.abs(value);
  if (size > 0 && (size < 0.001 || size >= 10000)) return value.toExponential(0);
  return `${+value.toPrecision(size < 1 ? 2 : 3)}`;
}

const TRUE_LINE = { strokeStyle: INK }, FORECAST_LINE = { strokeStyle: FORECAST, lineWidth: 2 };
const MEAN_LINE = { strokeStyle: FORECAST, lineWidth: 1.2, dash: [5, 3], globalAlpha: 0.8 };
const STILL_LINE = { strokeStyle: "#8d99ae", lineWidth: 1.2, dash: [2, 3] };

function actionRows(data, state) {
  const { episode, start } = state, first = episode.starts[start], from = 1 - data.context;
  return data.actions.map((title, i) => ({
    title,
    lines: [{
      values: episode.actions.slice(first + from, first + data.horizon).map((row) => row[i]),
      from, steps: true, style: TRUE_LINE,
    }],
  }));
}

function errorRows(data, state) {
  const { episode, start } = state, errors = episode.errors[start];
  return [["geodesic error", 0, "geodesic"], ["RMSE of standardised features", 2, "feature"]].map(
    ([title, column, name]) => ({
      title,
      log: true,
      lines: [
        { values: errors.map((row) => row[column + 1]), from: 1, style: STILL_LINE },
        { values: data.mean[name], from: 1, style: MEAN_LINE },
        { values: errors.map((row) => row[column]), from: 1, style: FORECAST_LINE },
      ],
    }));
}

function featureRows(data, state) {
  const { episode, start } = state, first = episode.starts[start], from = 1 - data.context;
  return data.robot.names.map((title, i) => ({
    title,
    lines: [
      {
        values: episode.seen.slice(first + from, first + data.horizon + 1).map((row) => row[i]),
        from, style: TRUE_LINE,
      },
      {
        values: [episode.seen[first], ...episode.foreseen[start]].map((row) => row[i]),
        from: 0, style: FORECAST_LINE,
      },
    ],
  }));
}
