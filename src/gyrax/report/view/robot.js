// The robot: the simulated arm with its cubes, true and forecast.

class Arm {
  constructor(canvas, data, state) {
    this.scene = data.robot;
    this.state = state;
    const view = { yaw: -0.75, pitch: 0.5, zoom: 1, centre: [0.13, 0, 0.1], extent: 0.3 };
    this.orbit = new Orbit(canvas, view, (...painted) => this.paint(...painted));
  }

  frame(h) {
    const { episode, start } = this.state, first = episode.starts[start];
    const truth = episode.seen[first + h];
    return { truth, forecast: h ? episode.foreseen[start][h - 1] : truth };
  }

  cube(values, number) {
    return values.slice(6 + 7 * number, 13 + 7 * number);
  }

  // How far the forecast has each cube from where it is, in centimetres.
  off() {
    const { truth, forecast } = this.frame(this.state.step);
    return Array.from({ length: this.scene.cubes }, (_, n) => {
      const [a, b] = [truth, forecast].map((values) => this.cube(values, n));
      return 100 * Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    });
  }

  // The faces of arm and cubes at these numbers, in space.
  faces(values, forecast) {
    const { bodies, cube, cubes } = this.scene, found = [];
    const add = (solid, rotation, position, colour) => {
      const corners = solid.vertices.map((vertex) => moved(rotation, position, vertex));
      for (const face of solid.faces) {
        found.push({ corners: face.map((i) => corners[i]), colour, forecast });
      }
    };
    bodyPoses(bodies, values).forEach(([rotation, position], i) => {
      for (const solid of bodies[i].solids) {
        add(solid, rotation, position, solid.dark ? [70, 72, 84] : [170, 176, 190]);
      }
    });
    for (let n = 0; n < cubes; n++) {
      const pose = this.cube(values, n);
      add(cube, rotationOf(pose.slice(3)), pose.slice(0, 3), [68, 119, 170]);
    }
    return found;
  }

  paint(context, width, height) {
    const { project } = this.orbit.projection(width, height), { step } = this.state;
    this.paintTable(context, project);
    const { truth, forecast } = this.frame(step);
    const faces = [...this.faces(truth, false), ...this.faces(forecast, true)];
    const seen = [];
    for (const face of faces) {
      const points = face.corners.map(project), [a, b, c] = points;
      if ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0) continue; // its back
      const depth = points.reduce((sum, point) => sum + point[2], 0) / points.length;
      seen.push({ ...face, points, depth });
    }
    seen.sort((one, other) => one.depth - other.depth);
    for (const face of seen.filter((each) => !each.forecast)) {
      const fill = `rgb(${face.colour.map((part) => Math.round(part * this.light(face.corners)))})`;
      const style = { fillStyle: fill, strokeStyle: fill, lineWidth: 0.6, closed: true };
      stroke(context, face.points, style);
    }
    for (const face of seen.filter((each) => each.forecast)) {
      const style = { fillStyle: FORECAST, globalAlpha: 0.12, closed: true };
      stroke(context, face.points, style);
      stroke(context, face.points, { strokeStyle: FORECAST, lineWidth: 1, globalAlpha: 0.75, closed: true });
    }
    this.paintTraces(context, project);
  }

  // How bright a face is, by the direction that it faces.
  light([a, b, c]) {
    const [u, v] = [b, c].map((corner) => corner.map((part, i) => part - a[i]));
    const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    const toLight = [0.3, -0.5, 0.81];
    const cosine = normal.reduce((sum, part, i) => sum + part * toLight[i], 0) / Math.hypot(...normal);
    return 0.78 + 0.3 * cosine;
  }

  paintTable(context, project) {
    for (let at = -0.3; at < 0.31; at += 0.1) {
      const style = { strokeStyle: LINE, lineWidth: 1 };
      stroke(context, [[-0.1, at, 0], [0.4, at, 0]].map(project), style);
      if (at > -0.15) stroke(context, [[at, -0.3, 0], [at, 0.3, 0]].map(project), style);
    }
    stroke(context, [[0.4, -0.3, 0], [0.4, 0.3, 0]].map(project), { strokeStyle: LINE, lineWidth: 1 });
  }

  // The way of each cube until now.
  paintTraces(context, project) {
    for (let n = 0; n < this.scene.cubes; n++) {
      for (const kind of ["truth", "forecast"]) {
        const way = [];
        for (let h = 0; h <= this.state.step; h++) {
          const [x, y] = this.cube(this.frame(h)[kind], n);
          way.push(project([x, y, 0]));
        }
        const style = kind === "truth" ? { strokeStyle: INK } : { strokeStyle: FORECAST, dash: [4, 3] };
        stroke(context, way, { ...style, lineWidth: 1.6 });
      }
    }
  }
}

// The pictures of a camera, drawn from the sheet that holds them.
class Film {
  constructor(canvas, state) {
    this.state = state;
    this.picture = new Picture(canvas, (context, width, height) => {
      const { pictures, sheet, starts } = state.episode;
      if (!pictures || !sheet.complete) return;
      const number = Math.round((starts[state.start] + state.step) / pictures.every);
      const last = Math.ceil(state.episode.length / pictures.every) - 1, at = Math.min(number, last);
      const scale = Math.min(width / pictures.width, height / pictures.height);
      const size = [pictures.width * scale, pictures.height * scale];
      context.drawImage(
        sheet,
        (at % pictures.across) * pictures.width, Math.floor(at / pictures.across) * pictures.height,
        pictures.width, pictures.height,
        (width - size[0]) / 2, (height - size[1]) / 2, ...size,
      );
    });
  }
}
