"use strict";
// Pure functions: numbers out of text, geodesics of the ball, rotations of bodies.

// Rows of numbers out of what packing.py wrote.
function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer), width = packed.middle.length, rows = [];
  for (let at = 0; at < bytes.length; at += 2 * width) {
    rows.push(Float64Array.from(packed.middle, (middle, i) =>
      middle + packed.scale[i] * view.getInt16(at + 2 * i, true)));
  }
  return rows;
}

// Every `count` rows as one: rows of starts, of samples, of frames.
function grouped(rows, count) {
  const groups = [];
  for (let at = 0; at < rows.length; at += count) groups.push(rows.slice(at, at + count));
  return groups;
}

// The distance of two points whose Euclidean distance is `chord`, from g = 1 - c|x|^2 of both.
function distance(chord, gapX, gapY, c) {
  return 2 / Math.sqrt(c) * Math.asinh(chord * Math.sqrt(c / (gapX * gapY)));
}

// The geodesic from x to y as a function of t in [0, 1], in the three directions of the picture. A point
// is [3 coordinates, log(1 - c|x|^2)], and `chord` the Euclidean distance in all coordinates: the geodesic
// lies in the plane of x and y, so its picture needs no other coordinate. It is x + tanh(t A) v / |v|, with
// + that of Moebius and v = log_x(y), as in gyrax.geometry.
function geodesic(x, y, chord, c) {
  const gx = Math.exp(x[3]), gy = Math.exp(y[3]), s2 = chord * chord;
  const xx = (1 - gx) / c, yy = (1 - gy) / c, root = chord * Math.sqrt(c / (gx * gy));
  if (!(root > 0)) return () => [x[0], x[1], x[2]];
  const A = Math.asinh(root), q = A / root / Math.sqrt(1 + root * root);
  const along = q * gx / gy, inward = -q * c * s2 / gy; // v = along (y - x) + inward x
  const xv = along * (yy - xx - s2) / 2 + inward * xx, length = A * gx / Math.sqrt(c);
  return (t) => {
    const tanh = Math.tanh(t * A), scale = tanh / Math.sqrt(c) / length;
    const xw = scale * xv, ww = tanh * tanh / c, below = 1 + 2 * c * xw + c * c * xx * ww;
    const ofX = (1 + 2 * c * xw + c * ww) / below, ofW = gx / below * scale;
    return [0, 1, 2].map((i) => ofX * x[i] + ofW * (along * (y[i] - x[i]) + inward * x[i]));
  };
}

// Points along the geodesics through `points`, whose fifth number is the chord from the one before.
function geodesics(points, c, pieces = 4) {
  const line = [points[0].slice(0, 3)];
  for (let i = 1; i < points.length; i++) {
    const at = geodesic(points[i - 1], points[i], points[i][4], c);
    for (let k = 1; k <= pieces; k++) line.push(at(k / pieces));
  }
  return line;
}

// Rotations are arrays of three rows.
function multiplied(a, b) {
  return a.map((row) => [0, 1, 2].map((j) => row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j]));
}

function moved(rotation, position, point) {
  return rotation.map((row, i) =>
    row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + position[i]);
}

// The rotation of a quaternion w x y z of any length above zero.
function rotationOf(quaternion) {
  const [w, x, y, z] = Array.from(quaternion, (part) => part / Math.hypot(...quaternion));
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
}

// Rotation and position of each body at these joint angles; a body stands behind the one that it is on.
function bodyPoses(bodies, joints) {
  const poses = [];
  for (const body of bodies) {
    const on = poses[body.parent] || [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 0]];
    const half = body.joint < 0 ? 0 : joints[body.joint] / 2;
    const turn = rotationOf([Math.cos(half), ...body.axis.map((part) => part * Math.sin(half))]);
    poses.push([multiplied(on[0], turn), moved(on[0], on[1], body.position)]);
  }
  return poses;
}
