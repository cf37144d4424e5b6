// SPDX-License-Identifier: Apache-2.0
// otel.js URL json|proto COUNT: OpenTelemetry's SDK as an application would use it, over OTLP/HTTP.
"use strict";
const [url, form, count] = process.argv.slice(2);
const kind = form === "proto" ? "proto" : "http";
const { SeverityNumber } = require("@opentelemetry/api-logs");
const { context, trace, SpanKind, SpanStatusCode } = require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${kind}`);
const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${kind}`);
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`);

const resource = resourceFromAttributes({ "service.name": `shop-${form}` });
const exporting = (path) => ({ url: `${url}${path}`, compression: "gzip" });
const logs = new LoggerProvider({
  resource, processors: [new BatchLogRecordProcessor(new OTLPLogExporter(exporting("/v1/logs")))] });
const traces = new BasicTracerProvider({
  resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(exporting("/v1/traces")))] });
const metrics = new MeterProvider({
  resource, readers: [new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(exporting("/v1/metrics")), exportIntervalMillis: 3600000 })] });

const tracer = traces.getTracer("shop", "1.0");
const logger = logs.getLogger("shop", "1.0");
const meter = metrics.getMeter("shop", "1.0");
const orders = meter.createCounter("orders", { unit: "{order}" });
const stock = meter.createUpDownCounter("stock");
const took = meter.createHistogram("took", { unit: "ms", advice: { explicitBucketBoundaries: [5, 10] } });
meter.createObservableGauge("load").addCallback((result) => result.observe(0.5, { core: 1 }));

for (let i = 0; i < Number(count); i++) {
  const span = tracer.startSpan(`order ${i}`, { kind: SpanKind.SERVER, attributes: { "order.id": i } });
  const inside = trace.setSpan(context.active(), span);
  logger.emit({ severityNumber: SeverityNumber.WARN, severityText: "WARN", body: `order ${i} – ü`,
                attributes: { "order.id": i, vip: i % 2 === 0, list: ["one", "two"] }, context: inside });
  span.addEvent("packed", { boxes: 2 });
  span.setStatus({ code: SpanStatusCode.ERROR, message: "late" });
  span.end();
  orders.add(3, { kind: "book" });
  stock.add(-1);
  took.record(i % 20);
}
Promise.all([logs, traces, metrics].map((provider) => provider.shutdown())).catch((error) => {
  console.error(error);
  process.exit(1);
});
