// A canvas that keeps its size in pixels of the screen, and one whose picture is turned by dragging.

const INK = "#22223b", FORECAST = "#d1495b", QUIET = "#5c6378", LINE = "#dfe3ea";
const FONT = "12px system-ui, sans-serif";

// Calls `draw(context, width, height)` with lengths in CSS pixels; redraws when the size changes.
class Picture {
  constructor(canvas, draw) {
    this.canvas = canvas;
    this.paint = draw;
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  redraw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1, context = this.canvas.getContext("2d");
    const size = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== size[0]) this.canvas.width = size[0];
    if (this.canvas.height !== size[1]) this.canvas.height = size[1];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    context.lineJoin = context.lineCap = "round";
    this.paint(context, width, height);
  }
}

// A view of space: `yaw` and `pitch` turn it, about `centre`; `extent` is what half of the canvas shows.
class Orbit extends Picture {
  constructor(canvas, view, draw) {
    super(canvas, draw);
    this.first = { ...view };
    this.view = view;
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      this.turn(0.01 * event.movementX, 0.01 * event.movementY);
    });
    canvas.addEventListener("dblclick", () => {
      Object.assign(view, { yaw: this.first.yaw, pitch: this.first.pitch, zoom: 1 });
      this.redraw();
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(-0.005 * event.deltaY));
    }, { passive: false });
  }

  turn(yaw, pitch) {
    this.view.yaw += yaw;
    this.view.pitch = Math.max(-1.57, Math.min(1.57, this.view.pitch + pitch));
    this.redraw();
  }

  zoom(factor) {
    this.view.zoom = Math.max(0.05, Math.min(20, this.view.zoom * factor));
    this.redraw();
  }

  // From space to [right, down, towards the eye], the first two in CSS pixels.
  projection(width, height) {
    const { yaw, pitch, zoom, centre, extent } = this.view;
    const scale = 0.5 * Math.min(width, height) * zoom / extent;
    const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
    const project = (point) => {
      const [x, y, z] = [0, 1, 2].map((i) => point[i] - centre[i]);
      const right = cy * x - sy * y, away = sy * x + cy * y;
      return [
        width / 2 + scale * right,
        height / 2 - scale * (cp * z + sp * away),
        scale * (sp * z - cp * away),
      ];
    };
    return { project, scale };
  }
}

function stroke(context, points, style) {
  context.save();
  Object.assign(context, { globalAlpha: 1, ...style });
  context.setLineDash(style.dash || []);
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (style.closed) context.closePath();
  if (style.fillStyle) context.fill();
  if (style.strokeStyle) context.stroke();
  context.restore();
}

// Shapes that tell charts and events apart where colours do not.
function mark(context, [x, y], kind, size, style) {
  const ring = (count, radius, turn = 0) => Array.from({ length: count }, (_, i) => {
    const angle = turn + 2 * Math.PI * i / count, r = radius(i);
    return [x + r * Math.sin(angle), y - r * Math.cos(angle)];
  });
  const shapes = {
    disc: () => ring(16, () => size),
    square: () => ring(4, () => 1.25 * size, Math.PI / 4),
    triangle: () => ring(3, () => 1.4 * size),
    diamond: () => ring(4, () => 1.3 * size),
    star: () => ring(10, (i) => (i % 2 ? 0.55 : 1.4) * size),
  };
  stroke(context, shapes[kind](), { ...style, closed: true });
}

// A number that is read on any ground.
function label(context, text, x, y) {
  context.save();
  Object.assign(context, { font: `600 ${FONT}`, textAlign: "center", lineWidth: 3, strokeStyle: "#fff", fillStyle: INK });
  context.strokeText(`${text}`, x, y);
  context.fillText(`${text}`, x, y);
  context.restore();
}
