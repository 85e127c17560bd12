// The OpenAPI document of the whole API, and the pages that show it.
import { expect, test } from 'vitest';
import { startFullApi } from './full-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape, which is what is tested
type Json = any;

/** Every value of a key, at any depth. */
function all(value: Json, key: string): Json[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [...(name === key ? [inner] : []), ...all(inner, key)]);
}

function resolve(document: Json, reference: string): Json {
  const path = reference.replace(/^#\//, '').split('/');
  return path.reduce((at: Json, name) => at?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], document);
}

test('the document is OpenAPI 3.1, whole, and names every route', async () => {
  const api = await startFullApi();
  const { status, body: document, headers } = await api.as('anonymous').get('/openapi.json');
  expect(status).toBe(200);
  expect(headers['content-type']).toContain('application/json');
  expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'GPUBroker', version: expect.any(String) } });
  expect(document.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' });
  expect(document.components.schemas.Problem.properties).toHaveProperty('request_id');
  const references = all(document, '$ref').filter((reference) => typeof reference === 'string');
  expect(references.length).toBeGreaterThan(10);
  expect(references.filter((reference: string) => resolve(document, reference) === undefined)).toEqual([]);
  const operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({ path, method, ...operation })),
  );
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const named = operations.map(({ path, method }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`);
  expect(named.sort()).toEqual(
    [...api.routes.map(({ method, url }) => `${method} ${url}`), 'GET /health', 'GET /openapi.json'].sort(),
  );
  for (const { operationId, summary, tags, responses, security, parameters = [], path } of operations) {
    expect(summary, operationId).toMatch(/\S/);
    expect(tags, operationId).toHaveLength(1);
    const codes = Object.keys(responses);
    expect(
      codes.some((code) => /^[23]/.test(code)),
      `${operationId} says what it answers`,
    ).toBe(true);
    expect(codes, operationId).toEqual(expect.arrayContaining(['400', '429', '500', '503']));
    expect(responses['400'].content['application/problem+json'].schema.$ref).toBe('#/components/schemas/Problem');
    if (!security) expect(codes, operationId).toEqual(expect.arrayContaining(['401', '403']));
    const inPath = parameters.filter((parameter: Json) => parameter.in === 'path').map(({ name }: Json) => name);
    expect(inPath.sort(), operationId).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort());
  }
});

test('the reference page works without the internet', async () => {
  const api = await startFullApi();
  const page = await api.as('anonymous').get('/docs');
  expect(page.status).toBe(200);
  const policy = String(page.headers['content-security-policy']);
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toMatch(/https?:/);
  expect(policy).not.toContain('upgrade-insecure-requests');
  const assets = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url = '']) => url);
  expect(assets.length).toBeGreaterThan(3);
  for (const asset of assets) {
    expect(asset).not.toMatch(/^(https?:)?\/\//);
    const { pathname } = new URL(asset, 'http://local/docs/');
    const reply = await api.app.inject({ url: pathname });
    expect(reply.statusCode, pathname).toBe(200);
  }
  // Scripts in the page itself would be refused by the policy.
  expect(String(page.body)).not.toMatch(/<script(?![^>]*src=)[^>]*>\s*\S/);
  const initializer = await api.app.inject({ url: '/docs/static/swagger-initializer.js' });
  expect(initializer.body).toContain('/openapi.json');
  expect(initializer.body.replaceAll(/^\s*\/\/.*$/gm, '')).not.toMatch(/https?:\/\//);
});
