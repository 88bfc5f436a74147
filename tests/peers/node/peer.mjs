// Seals, unseals and authenticates with an official library; the protocol is in ../README.md.
//
//     AUTHKIT_PEERS=<dir> node peer.mjs node | authkit-session | iron-session

import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.AUTHKIT_PEERS}/npm/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)));

// The seal of a session cookie has no expiry.
const ttl = 0;

const judged = (session) => ({
  email: session.user.email,
  first_name: session.user.firstName ?? null,
  organization_id: session.organizationId ?? null,
  impersonator: session.impersonator?.email ?? null,
});

const libraries = {
  async node() {
    const { WorkOS } = await load('workos-node-11');
    const { userManagement } = new WorkOS('sk_test_default', { clientId: 'client_peer' });
    return {
      seal: (authenticationResponse, cookiePassword) =>
        userManagement.sealSessionDataFromAuthenticationResponse({ authenticationResponse, cookiePassword }),
      unseal: async (sessionData, cookiePassword) => {
        const session = await userManagement.getSessionFromCookie({ sessionData, cookiePassword });
        if (!session?.accessToken) throw new Error('no session'); // this SDK returns nothing for a seal that it cannot open
        return session;
      },
      async authenticate({ sealed, password, base_url, client_id, api_key }) {
        const { hostname, port } = new URL(base_url);
        const options = { clientId: client_id, apiHostname: hostname, port: Number(port), https: false };
        const sdk = new WorkOS(api_key, options).userManagement;
        const cookie = sdk.loadSealedSession({ sessionData: sealed, cookiePassword: password });
        const session = await cookie.authenticate();
        if (!session.authenticated) throw new Error(session.reason);
        return judged(session);
      },
    };
  },
  async 'authkit-session'() {
    const library = await load('@workos/authkit-session');
    const { sessionEncryption } = library;
    class Storage extends library.CookieSessionStorage {
      getCookie = async (request) => request;
    }
    return {
      seal: (payload, password) => sessionEncryption.sealData(payload, { password, ttl }),
      unseal: async (sealed, password) => {
        const session = await sessionEncryption.unsealData(sealed, { password });
        if (Object.keys(session).length === 0) throw new Error('no session'); // what it returns for a suffix that it does not know
        return session;
      },
      async authenticate({ sealed, password, base_url, client_id, api_key }) {
        const { hostname, port } = new URL(base_url);
        const api = { apiKey: api_key, apiHostname: hostname, apiPort: Number(port), apiHttps: false };
        const redirectUri = 'http://localhost:3000/callback';
        library.configure({ clientId: client_id, cookiePassword: password, redirectUri, ...api });
        const service = library.createAuthService({ sessionStorageFactory: (config) => new Storage(config) });
        const { auth, refreshedSessionData } = await service.withAuth(sealed);
        if (!auth.user || refreshedSessionData) throw new Error('no good session');
        return judged(auth);
      },
    };
  },
  async 'iron-session'() {
    const { sealData, unsealData } = await load('iron-session');
    return {
      seal: (payload, password) => sealData(payload, { password, ttl }),
      unseal: async (sealed, password) => {
        const session = await unsealData(sealed, { password, ttl });
        if (Object.keys(session).length === 0) throw new Error('no session'); // as above
        return session;
      },
    };
  },
};

const library = await libraries[process.argv[2]]();
const answers = [];
for (const request of JSON.parse(await text(process.stdin))) {
  const { op, password, payload, sealed } = request;
  const ops = {
    seal: () => library.seal(payload, password),
    unseal: () => library.unseal(sealed, password),
    authenticate: () => library.authenticate(request),
  };
  try {
    answers.push({ ok: await ops[op]() });
  } catch (error) {
    answers.push({ error: `${error.name}: ${error.message}` });
  }
}
console.log(JSON.stringify(answers));
