// SPDX-License-Identifier: Apache-2.0
// statsd.js udp|tcp HOST PORT COUNT: hot-shots, a client of statsd with the tags of DogStatsD.
"use strict";
const StatsD = require("hot-shots");
const [protocol, host, port, count] = process.argv.slice(2);

const client = new StatsD({
  protocol, host, port: Number(port), prefix: "shop.", globalTags: { via: protocol },
  errorHandler: (error) => { console.error(error); process.exit(1); } });
for (let i = 0; i < Number(count); i++) {
  client.increment("orders", 3, { kind: "book" });
  client.timing("answer", 250);
  client.set("users", `user${i % 2}`);
}
client.gauge("stock", 10);
client.gaugeDelta("stock", -4);
client.histogram("size", 7, { unit: "kg" });
client.distribution("far", 8);
const finish = () => client.close((error) => process.exit(error ? 1 : 0));
if (protocol === "udp") {
  client.event("Open", "it is", { alert_type: "warning" });
  client.check("db", client.CHECKS.CRITICAL, { message: "no answer" });
}
setImmediate(finish);
