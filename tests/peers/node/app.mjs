// A small server on `@workos/authkit-session`; how it is run is in ../README.md.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.AUTHKIT_PEERS}/npm/package.json`);
const { CookieSessionStorage, configure, createAuthService } = await import(
  pathToFileURL(require.resolve('@workos/authkit-session'))
);

class Storage extends CookieSessionStorage {
  async getCookie(request, name) {
    const pairs = (request.headers.cookie ?? '').split('; ').map((pair) => pair.split('='));
    const found = pairs.find(([key]) => key === name);
    return found ? decodeURIComponent(found.slice(1).join('=')) : null;
  }
}

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://localhost:${server.address().port}`;
const api = new URL(process.env.WORKOS_BASE_URL);
configure({
  redirectUri: `${origin}/callback`,
  apiHostname: api.hostname,
  apiPort: Number(api.port),
  apiHttps: false,
});
const service = createAuthService({ sessionStorageFactory: (config) => new Storage(config) });

const routes = {
  '/': async () => ({ body: 'home' }),

  async '/login'() {
    const { url, headers } = await service.createSignIn(undefined);
    return { to: url, headers };
  },

  async '/callback'(request, query) {
    const returned = { code: query.get('code'), state: query.get('state') };
    const { headers } = await service.handleCallback(request, undefined, returned);
    return { to: '/', headers };
  },

  async '/dashboard'(request) {
    const { auth, refreshedSessionData } = await service.withAuth(request);
    if (!auth.user) return { to: '/login' };
    const saved = refreshedSessionData && (await service.saveSession(undefined, refreshedSessionData));
    return { body: auth.user.email, headers: saved?.headers };
  },

  async '/logout'(request) {
    const { auth } = await service.withAuth(request);
    const { logoutUrl, headers } = await service.signOut(auth.sessionId, { returnTo: `${origin}/` });
    return { to: logoutUrl, headers };
  },
};

server.on('request', async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, origin);
  try {
    const { to, body, headers } = await routes[pathname](request, searchParams);
    response.writeHead(to ? 302 : 200, { ...headers, ...(to && { Location: to }) }).end(body);
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
console.log(origin);
process.stdin.on('end', () => process.exit()).resume();
