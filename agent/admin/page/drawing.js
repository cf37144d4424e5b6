// The flow, drawn: inputs, lanes with their memory, outputs. Elements are made once for each set of
// lanes and width; after that only their attributes change, so nothing flickers.

const DRAWN_LANES = 16; // the rest is in the table
const SVG = "http://www.w3.org/2000/svg";

function svgNode(parent, name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function setAttributes(node, attributes) {
  for (const [key, value] of Object.entries(attributes))
    if (node.getAttribute(key) !== String(value)) node.setAttribute(key, value);
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Once it is in the document: only then has it a width.
function fitText(node, pixels) {
  const text = node.textContent;
  for (let most = text.length - 1; most > 2 && node.getComputedTextLength() > pixels; most--)
    node.textContent = `${text.slice(0, most)}…`;
}

// ---- where things are ----

// The busiest and the dropping ones, in the order of the books.
function chooseLanes(figures) {
  const known = figures.lanes.filter((lane) => lane.isOfNow);
  const weight = (lane) => (lane.dropped || 0) * 1e9 + (lane.received || 0) + lane.held / 1e6;
  const chosen = new Set([...known].sort((a, b) => weight(b) - weight(a)).slice(0, DRAWN_LANES));
  return { lanes: known.filter((lane) => chosen.has(lane)), hidden: known.length - chosen.size };
}

// Inputs beside the lanes that they feed, in the order of these, over all the height.
function placeInputs(plan, lanes) {
  const middles = [...new Set(lanes.map((lane) => lane.input))].map((name) => {
    const own = lanes.filter((lane) => lane.input === name).map((lane) => plan.lanes.get(lane.key));
    return { name, y: own.reduce((sum, at) => sum + at, 0) / own.length };
  }).sort((a, b) => a.y - b.y);
  const isCrowded = middles.some((one, i) => i > 0 && one.y - middles[i - 1].y < 48);
  middles.forEach(({ name, y }, i) => plan.inputs.set(name, isCrowded ? plan.height * (i + 0.5) / middles.length : y));
  plan.height = Math.max(plan.height, 48 * middles.length);
}

// Rows of lanes under each other, grouped by output. Where it is narrow each has its input beside it:
// lines that cross need room.
function layOut(lanes, width) {
  const isNarrow = width < 560, rowHeight = lanes.length > 8 && !isNarrow ? 52 : 62;
  const plan = { width, isNarrow, lanes: new Map(), inputs: new Map(), outputs: new Map(), height: 0 };
  plan.inputWidth = isNarrow ? Math.round(width * 0.24) : 150;
  plan.outputWidth = isNarrow ? Math.round(width * 0.32) : 200;
  plan.tankWidth = isNarrow ? 38 : 76;
  plan.tankX = Math.round((plan.inputWidth + width - plan.outputWidth - plan.tankWidth) / 2);
  let y = 8;
  for (const name of new Set(lanes.map((lane) => lane.output))) {
    const own = lanes.filter((lane) => lane.output === name);
    own.forEach((lane, i) => plan.lanes.set(lane.key, y + 28 + i * rowHeight));
    const height = Math.max(own.length * rowHeight, 76);
    plan.outputs.set(name, { y, height: height - 14 });
    y += height + 8;
  }
  plan.height = y;
  if (!isNarrow) placeInputs(plan, lanes);
  return plan;
}

// ---- elements ----

function drawInput(svg, plan, name, y) {
  const group = svgNode(svg, "g", { class: "input" });
  svgNode(group, "rect", { class: "node", x: 0, y: y - 19, width: plan.inputWidth, height: 38, rx: 8 });
  fitText(svgNode(group, "text", { class: "name", x: 8, y: y + 4.5 }, name), plan.inputWidth - 14);
}

function drawLane(streams, svg, plan, lane) {
  const y = plan.lanes.get(lane.key), from = plan.inputs.get(lane.input) || y, group = svgNode(svg, "g", {});
  const left = plan.inputWidth, x = plan.tankX, right = x + plan.tankWidth, end = plan.width - plan.outputWidth;
  const bend = (left + x) / 2;
  const parts = { group, y };
  parts.inflow = svgNode(streams, "path", { d: `M${left} ${from} C${bend} ${from} ${bend} ${y} ${x} ${y}` });
  parts.outflow = svgNode(streams, "path", { d: `M${right} ${y} L${end} ${y}` });
  parts.spill = svgNode(group, "path", { class: "spill",
    d: `M${x + plan.tankWidth / 2} ${y + 17} q-1 12 -13 13` });
  svgNode(group, "rect", { class: "tank", x, y: y - 17, width: plan.tankWidth, height: 34, rx: 6 });
  parts.water = svgNode(group, "rect", { class: "water", x: x + 2, y: y + 15, width: plan.tankWidth - 4, height: 0, rx: 4 });
  parts.fill = svgNode(group, "text", { class: "fill", x: x + plan.tankWidth / 2, y: y + 4, "text-anchor": "middle" });
  parts.spilled = svgNode(group, "text", plan.isNarrow
    ? { class: "spilled", x: end - 5, y: y + 32, "text-anchor": "end" }
    : { class: "spilled", x: x + plan.tankWidth / 2 + 8, y: y + 32 });
  parts.rateIn = svgNode(group, "text", { class: "small rate", x: x - 7, y: y - (plan.isNarrow ? 23 : 11), "text-anchor": "end" });
  parts.rateOut = svgNode(group, "text", { class: "small rate", x: end - 7, y: y - 11, "text-anchor": "end" });
  return parts;
}

function drawOutput(svg, plan, name) {
  const { y, height } = plan.outputs.get(name), x = plan.width - plan.outputWidth;
  const group = svgNode(svg, "g", {}), middle = y + height / 2;
  svgNode(group, "rect", { class: "node", x, y, width: plan.outputWidth, height, rx: 8 });
  fitText(svgNode(group, "text", { class: "name", x: x + 10, y: middle - 10 }, name), plan.outputWidth - 16);
  const state = svgNode(group, "text", { class: "small state", x: x + 10, y: middle + 7 });
  const rate = svgNode(group, "text", { class: "small", x: x + 10, y: middle + 23 });
  return { group, state, rate };
}

// ---- what they say ----

function sayOutputState(output) {
  if (output.breaker === 2) return { level: "bad", text: "breaker open", short: "open" };
  if (output.breaker === 1) return { level: "bad", text: "breaker half-open: probing", short: "probing" };
  if (output.spoolFails) return { level: "bad", text: "the spool's disk fails", short: "disk fails" };
  if (output.cause !== 0) return { level: "warn", text: "held up", short: "held up" };
  if (output.limit < 1) return { level: "note", text: "slowed down", short: "slowed" };
  return { level: "good", text: output.delivered > 0 ? "delivers" : "ready", short: output.delivered > 0 ? "delivers" : "ready" };
}

function updateLane(parts, lane, widest, say) {
  const thickness = (rate) => (rate > 0 ? 2 + 13 * Math.sqrt(rate / widest) : 1.5);
  const stream = (rate) => ({ class: rate > 0 ? "stream" : "stream dry", "stroke-width": thickness(rate).toFixed(1) });
  const height = Math.max(lane.fill * 30, lane.held > 0 ? 1.5 : 0);
  setAttributes(parts.group, { class: lane.isShedding || lane.dropped > 0 ? "lane shedding" : "lane" });
  setAttributes(parts.inflow, stream(lane.received));
  setAttributes(parts.outflow, stream(lane.delivered));
  setAttributes(parts.spill, { "stroke-width": lane.dropped > 0 ? Math.min(8, thickness(lane.dropped)).toFixed(1) : 0,
    "stroke-opacity": lane.dropped > 0 ? 1 : 0 });
  setAttributes(parts.water, { y: (parts.y + 15 - height).toFixed(1), height: height.toFixed(1) });
  setText(parts.fill, `${Math.round(lane.fill * 100)}%`);
  setText(parts.spilled, lane.dropped > 0 ? `−${say(lane.dropped)}` : "");
  setText(parts.rateIn, say(lane.received));
  setText(parts.rateOut, say(lane.delivered));
}

function describeDrawing(figures, lanes, hidden) {
  const texts = lanes.map((lane) => `${lane.input} to ${lane.output}: ${sayRate(lane.received)} in, ` +
    `${sayRate(lane.delivered)} delivered, memory ${Math.round(lane.fill * 100)} % full` +
    (lane.dropped > 0 ? `, ${sayRate(lane.dropped)} dropped` : ""));
  return `The flow. ${texts.join(". ")}.${hidden > 0 ? ` ${hidden} more lanes are in the table of lanes.` : ""}`;
}

// ---- the drawing ----

function makeDrawing(box) {
  let key = "", parts = null;

  function build(lanes, width) {
    const plan = layOut(lanes, width), svg = document.createElementNS(SVG, "svg");
    setAttributes(svg, { viewBox: `0 0 ${plan.width} ${plan.height}`, height: plan.height, role: "img" });
    parts = { plan, svg, lanes: new Map(), outputs: new Map(), more: document.createElement("p") };
    parts.more.className = "hint";
    box.replaceChildren(svg, parts.more);
    const streams = svgNode(svg, "g", {}); // below all that is written
    plan.inputs.forEach((y, name) => drawInput(svg, plan, name, y));
    if (plan.isNarrow) lanes.forEach((lane) => drawInput(svg, plan, lane.input, plan.lanes.get(lane.key)));
    lanes.forEach((lane) => parts.lanes.set(lane.key, drawLane(streams, svg, plan, lane)));
    plan.outputs.forEach((_, name) => parts.outputs.set(name, drawOutput(svg, plan, name)));
  }

  return function update(figures) {
    const { lanes, hidden } = chooseLanes(figures), style = getComputedStyle(box);
    const width = Math.round(box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
    const wanted = `${width}\n${lanes.map((lane) => lane.key).join("\n\n")}`;
    if (lanes.length === 0 || width <= 0) return;
    if (wanted !== key) build(lanes, width);
    key = wanted;
    const widest = Math.max(1, ...lanes.flatMap((lane) => [lane.received || 0, lane.delivered || 0]));
    const say = parts.plan.isNarrow ? sayShortRate : sayRate;
    lanes.forEach((lane) => updateLane(parts.lanes.get(lane.key), lane, widest, say));
    figures.outputs.filter((output) => parts.outputs.has(output.name)).forEach((output) => {
      const node = parts.outputs.get(output.name), state = sayOutputState(output);
      setAttributes(node.group, { class: `output ${state.level}` });
      setText(node.state, parts.plan.isNarrow ? state.short : state.text);
      setText(node.rate, sayRate(output.delivered));
    });
    setAttributes(parts.svg, { "aria-label": describeDrawing(figures, lanes, hidden) });
    setText(parts.more, hidden > 0 ? `${hidden} quieter lanes are only in the table below.` : "");
  };
}
