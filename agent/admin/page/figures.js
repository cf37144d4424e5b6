// What the pages /stats and /recent say, as an operator asks for it. Nothing here touches the page.
// Figures of different outputs are never added: each has copies of its own.

const RATE_WINDOW_MS = 10000;  // rates are over the last looks, so that they do not jump
const MINUTE_MS = 60000;       // times are of the last minute
const DROPPING_SECONDS = 20;   // a lane is dropping now if it did within this
const BREAKER_WORDS = ["closed", "half-open: a probe is out", "open"];
const CAUSE_WORDS = ["", "its input: events come faster than they are read",
  "CPU: the batch workers have not enough of it", "its lane: events come in bursts",
  "its endpoint: it takes less than what comes", "the disk of its spool"];
const MEND_WORDS = "Somebody has to mend that: its key, its address or a certificate is wrong. ";
const FULL_LANE_REASONS = ["shed_sample", "shed_newest", "shed_class", "evict_oldest", "block_timeout"];

// ---- words for numbers ----

const plainNumber = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const shortNumber = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

function sayCount(count) {
  return count < 100000 ? plainNumber.format(count) : shortNumber.format(count);
}

function sayRate(perSecond) {
  if (perSecond === null) return "–";
  if (perSecond > 0 && perSecond < 10) return `${Math.max(perSecond, 0.1).toFixed(1)}/s`;
  return `${sayCount(perSecond)}/s`;
}

function sayShortRate(perSecond) {
  return perSecond < 1000 ? sayRate(perSecond) : `${shortNumber.format(perSecond)}/s`;
}

function sayBytes(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; bytes >= 1024 && unit < units.length - 1; unit++) bytes /= 1024;
  return `${bytes >= 100 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)}\u00a0${units[unit]}`;
}

function sayDuration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)}\u00a0ms`;
  if (seconds < 10 && seconds % 1 !== 0) return `${seconds.toFixed(1)}\u00a0s`;
  if (seconds < 90) return `${Math.round(seconds)}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes}\u00a0min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}\u00a0h\u00a0${minutes % 60}\u00a0min`;
  return `${Math.floor(hours / 24)}\u00a0d\u00a0${hours % 24}\u00a0h`;
}

// The clock of the agent's host, told by the browser's time zone; with the day if it is another.
function sayTime(unixMs, nowMs, withSeconds) {
  const time = new Date(unixMs);
  const clock = time.toLocaleTimeString("en-GB", withSeconds ? {} : { hour: "2-digit", minute: "2-digit" });
  const isToday = time.toDateString() === new Date(nowMs).toDateString();
  return isToday ? clock : `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock}`;
}

function saySince(seconds, nowMs) {
  return `since ${sayTime(nowMs - seconds * 1000, nowMs, seconds < 60)} (${sayDuration(seconds)})`;
}

// ---- rates ----

const laneKey = (lane) => `${lane.input}\n${lane.output}`;

// samples: { at, stats }, the oldest first, all of one start.
function findBefore(samples, windowMs) {
  const last = samples[samples.length - 1];
  return samples.find((sample) => last.at - sample.at <= windowMs) || last;
}

function makeRate(seconds, now, before) {
  return seconds > 0 ? Math.max(0, now - before) / seconds : null;
}

function percentile(now, before, bounds, share) {
  const counts = now.counts.map((count, i) => count - (before ? before.counts[i] : 0));
  const total = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let i = 0; total > 0 && i < counts.length; i++) {
    seen += counts[i];
    if (seen >= total * share) return bounds[i] === null ? Infinity : bounds[i];
  }
  return null;
}

// ---- lanes and outputs ----

function readLane(lane, before, seconds) {
  const held = Object.values(lane.stock).reduce((sum, stock) => sum + stock.events, 0);
  const rateOf = (amount) => makeRate(seconds, lane[amount].events, before ? before[amount].events : 0);
  const reasons = {};
  for (const [name, flow] of Object.entries(lane.flows))
    reasons[name] = makeRate(seconds, flow.events, before ? before.flows[name].events : 0);
  const capacity = lane.numbers.lane_capacity_bytes;
  return {
    key: laneKey(lane), input: lane.input, output: lane.output, held, reasons,
    received: rateOf("received"), delivered: rateOf("delivered"), dropped: rateOf("dropped"),
    admitted: reasons.admit, lost: lane.lost.events, balance: lane.balance,
    fill: capacity > 0 ? Math.min(1, lane.numbers.lane_used_bytes / capacity) : 0,
    isShedding: lane.numbers.lane_shedding === 1, oldest: lane.numbers.lane_oldest_seconds,
    isOfNow: capacity > 0,
  };
}

function readOutput(output, before, old, seconds, stats, lanes) {
  const numbers = output.numbers;
  const rateOf = (name) => makeRate(seconds, numbers[name], before ? before.numbers[name] : 0);
  const own = lanes.filter((lane) => lane.output === output.output);
  const lag = (share) => percentile(output.histograms.delivery_lag, old && old.histograms.delivery_lag,
    stats.histogram_bounds_seconds, share);
  return {
    name: output.output, lanes: own, breaker: numbers.breaker_state, cause: numbers.saturation_cause,
    delivered: seconds > 0 ? own.reduce((sum, lane) => sum + lane.delivered, 0) : null,
    requests: rateOf("attempts"), failures: rateOf("failures"), sent: rateOf("sent_bytes"),
    mustBeMended: numbers.held === 1, inFlight: numbers.requests_in_flight, limit: numbers.concurrency_limit, limitMax: numbers.concurrency_max,
    memory: numbers.sealed_memory_bytes, memoryMax: numbers.sealed_memory_limit_bytes,
    spool: numbers.spool_bytes, spoolMax: numbers.spool_max_bytes, spoolFails: numbers.spool_state !== 0,
    oldest: Math.max(numbers.batch_oldest_seconds, numbers.spool_oldest_seconds, ...own.map((lane) => lane.oldest)),
    lagHalf: lag(0.5), lagMost: lag(0.99),
  };
}

// One look: everything that the page shows, from the samples and the last /recent.
function readFigures(samples, recent) {
  const last = samples[samples.length - 1], before = findBefore(samples, RATE_WINDOW_MS);
  const old = findBefore(samples, MINUTE_MS), seconds = (last.at - before.at) / 1000;
  const find = (list, key, value) => list.find((item) => key(item) === value);
  const lanes = last.stats.lanes.map((lane) =>
    readLane(lane, find(before.stats.lanes, laneKey, laneKey(lane)), seconds));
  const byName = (item) => item.output;
  const outputs = last.stats.outputs.map((output) =>
    readOutput(output, find(before.stats.outputs, byName, output.output),
      old === last ? null : find(old.stats.outputs, byName, output.output), seconds, last.stats, lanes));
  const drops = recent.drops.map((drop) => {
    const lane = find(lanes, laneKey, laneKey(drop));
    const isNow = drop.last_seconds <= DROPPING_SECONDS;
    return { ...drop, key: `${laneKey(drop)}\n${drop.reason}`, isNow,
      now: lane ? lane.reasons[drop.reason] : null };
  });
  drops.sort((a, b) => b.isNow - a.isNow || b.events - a.events);
  return { agent: last.stats.agent, host: recent.host, nowMs: recent.unix_ms, lanes, outputs, drops,
    leftOut: recent.drops_left_out, troubles: recent.troubles, log: recent.log };
}

// ---- what matters now ----

// The log has the last failure in words: reason="status 503".
function findReason(figures, output) {
  const line = figures.log.find((entry) => /^msg="(?:request failed|circuit breaker)/.test(entry.text) &&
    ` ${entry.text} `.includes(` output=${/[\s"=\\]/.test(output) ? JSON.stringify(output) : output} `));
  const found = line && (/ reason="((?:[^"\\]|\\.)*)"/.exec(line.text) || / reason=(\S+)/.exec(line.text));
  return found ? found[1].replace(/\\(.)/g, "$1") : "";
}

function findTrouble(figures, trouble, output) {
  return figures.troubles.find((one) => one.trouble === trouble && one.output === output);
}

function sayWhyHeld(figures, output) {
  const breaker = findTrouble(figures, "breaker", output), held = findTrouble(figures, "held up", output);
  const reason = breaker ? findReason(figures, output) : "";
  if (breaker)
    return `Output ${output} sends nothing but probes: its circuit breaker is not closed${reason ? `, ${reason}` : ""}.`;
  return held ? `Output ${output} is held up by ${CAUSE_WORDS[held.value] || "something"}.` : "";
}

// All that one lane is dropping now.
function dropProblem(figures, drops) {
  const { input, output, key } = drops[0];
  const rate = drops.reduce((sum, drop) => sum + (drop.now || 0), 0);
  const since = Math.max(...drops.map((drop) => drop.since_seconds));
  const reasons = drops.map((drop) => `${drop.reason}${drops.length > 1 && drop.now > 0 ? ` ${sayRate(drop.now)}` : ""}: ${drop.meaning}.`);
  const isFull = drops.some((drop) => FULL_LANE_REASONS.includes(drop.reason));
  return { key: `drop ${key}`, level: "bad", title: `Dropping${rate > 0 ? ` ${sayRate(rate)}` : ""}: ${input} → ${output}`,
    since: saySince(since, figures.nowMs), text: [...reasons, isFull ? sayWhyHeld(figures, output) : ""].join(" ") };
}

function outputProblems(figures, output) {
  const problems = [], { nowMs } = figures;
  const breaker = findTrouble(figures, "breaker", output.name);
  const held = findTrouble(figures, "held up", output.name);
  const disk = findTrouble(figures, "spool disk", output.name);
  if (breaker) {
    const reason = findReason(figures, output.name);
    problems.push({ key: `breaker ${output.name}`, level: "bad", title: `Output ${output.name}: circuit breaker ${BREAKER_WORDS[breaker.value]}`,
      since: saySince(breaker.since_seconds, nowMs),
      text: `${reason ? `Last failure: ${reason}. ` : ""}${output.mustBeMended ? MEND_WORDS : ""}Events wait in its lanes${output.spoolMax > 0 ? " and its spool" : ""} until a probe is taken.` });
  } else if (held) {
    problems.push({ key: `held ${output.name}`, level: "warn", title: `Output ${output.name} is held up`,
      since: saySince(held.since_seconds, nowMs), text: `By ${CAUSE_WORDS[held.value] || "something"}.` });
  }
  if (disk)
    problems.push({ key: `disk ${output.name}`, level: "bad", title: `Output ${output.name}: the disk of its spool fails`,
      since: saySince(disk.since_seconds, nowMs), text: "Batches are held in memory instead." });
  return problems;
}

function laneProblems(figures, lane, isDropping) {
  const problems = [], name = `${lane.input} → ${lane.output}`;
  const shedding = figures.troubles.find((one) => one.trouble === "shedding" && laneKey(one) === lane.key);
  if (lane.balance !== 0)
    problems.push({ key: `balance ${lane.key}`, level: "bad", title: `The books do not balance: ${name}`, since: "",
      text: `By ${lane.balance} events. That is a bug of the agent: keep /ledger and the log for a report.` });
  if (shedding && !isDropping)
    problems.push({ key: `shedding ${lane.key}`, level: "warn", title: `Shedding: ${name}`,
      since: saySince(shedding.since_seconds, figures.nowMs), text: "The lane is above its watermark." });
  else if (lane.fill > 0.95 && !isDropping)
    problems.push({ key: `full ${lane.key}`, level: "warn", title: `Full: ${name}`, since: "",
      text: "The lane's memory is used up; its input waits." });
  if (lane.lost > 0)
    problems.push({ key: `lost ${lane.key}`, level: "note", title: `Lost in a crash before this start: ${name}`, since: "",
      text: `At most ${sayCount(lane.lost)} events that were in memory.` });
  return problems;
}

function findProblems(figures) {
  const dropping = figures.drops.filter((drop) => drop.isNow);
  const isDropping = (lane) => dropping.some((drop) => laneKey(drop) === lane.key);
  const problems = [
    ...[...new Set(dropping.map(laneKey))].map((key) =>
      dropProblem(figures, dropping.filter((drop) => laneKey(drop) === key))),
    ...figures.outputs.flatMap((output) => outputProblems(figures, output)),
    ...figures.lanes.flatMap((lane) => laneProblems(figures, lane, isDropping(lane))),
  ];
  if (figures.agent.books.startsWith("anonymous"))
    problems.push({ key: "books", level: "note", title: "The books are not on file", since: "",
      text: `A crash would leave no account of what was held: ${figures.agent.books}.` });
  const rank = { bad: 0, warn: 1, note: 2 };
  return problems.sort((a, b) => rank[a.level] - rank[b.level]);
}

// Without numbers that change: it is read out when it changes.
function findVerdict(figures, problems) {
  const dropping = figures.drops.filter((drop) => drop.isNow);
  const lanes = new Set(dropping.map(laneKey)).size;
  const outputs = [...new Set(dropping.map((drop) => drop.output))].sort();
  const where = `${lanes === 1 ? "one lane" : `${lanes} lanes`} of ${outputs.length === 1 ? "output" : "outputs"} ${outputs.join(", ")}`;
  const isBad = problems.some((problem) => problem.level === "bad");
  const earlier = figures.drops.length > 0 ? " There were drops in the last hour, see below." : "";
  if (lanes > 0)
    return { level: "bad", text: `Events are being dropped in ${where}.` };
  if (isBad) return { level: "bad", text: `Nothing is being dropped now, but something is broken.${earlier}` };
  if (problems.some((problem) => problem.level === "warn"))
    return { level: "warn", text: `Nothing is being dropped now, but something is held up.${earlier}` };
  if (figures.drops.length > 0) return { level: "warn", text: `All is flowing now.${earlier}` };
  return { level: "good", text: "All is flowing. Nothing was dropped in the last hour." };
}
