// SPDX-License-Identifier: Apache-2.0
// syslog.js udp4|tcp4|tls4 HOST PORT BSD|5424 COUNT: winston with winston-syslog.
"use strict";
const winston = require("winston");
const { Syslog } = require("winston-syslog");
const [protocol, host, port, type, count] = process.argv.slice(2);

const transport = new Syslog({
  protocol, host, port: Number(port), type, app_name: "shop", localhost: "here", facility: "local3",
  eol: protocol.startsWith("udp") ? undefined : "\n", rejectUnauthorized: false });
const logger = winston.createLogger({
  levels: winston.config.syslog.levels, transports: [transport],
  format: winston.format.printf((info) => info.message) });
transport.on("error", (error) => { console.error(error); process.exit(1); });
const say = (i) => logger.log(i % 2 === 0 ? "error" : "info", `order ${i} over ${protocol} as ${type}`);
const total = Number(count);

// What comes before it is connected is kept by it. It tells of each datagram that went, and it would connect
// again for ever, so it is left without its close().
function sayRest() {
  let gone = 1;
  transport.on("logged", () => {
    gone++;
    if (transport.isDgram && gone === total) transport.socket.close();
  });
  for (let i = 1; i < total; i++) say(i);
  if (!transport.isDgram) setImmediate(() => transport.socket.end(() => process.exit(0)));
}
say(0);
const waiting = setInterval(() => {
  if (!transport.connected) return;
  clearInterval(waiting);
  sayRest();
}, 5);
