// What the admin port answers, by fastify: probes, metrics, and the pages of pages/. Loaded with the first request: it takes
// longer to load than the broker to start.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { fastify } from 'fastify';
import { addPages } from './pages/routes.ts';
import type { AdminPages } from './server.ts';

export type AdminHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Of a group's id, as long as Kafka's protocol allows, percent-encoded. */
const PARAMETER_LENGTH_MAX = 3 * 32_767;

/** @returns takes requests of any server. */
export async function createRoutes(pages: AdminPages): Promise<AdminHandler> {
  const app = fastify({ logger: false, routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX } });
  app.get('/healthz', async (_request, reply) => {
    const health = pages.alive();
    return reply.code(health.ready ? 200 : 503).send(health);
  });
  app.get('/readyz', async (_request, reply) => {
    const report = await pages.readiness();
    return reply.code(report.ready ? 200 : 503).send(report);
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await pages.metrics();
    return reply.type(contentType).send(text);
  });
  addPages(app, pages);
  app.setErrorHandler((error, _request, reply) => {
    pages.failed(error);
    return reply.code(500).send({ error: 'internal error' });
  });
  await app.ready();
  return (request, response) => app.routing(request, response);
}
