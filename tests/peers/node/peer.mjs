// Seals and unseals with an official library; the protocol is in ../README.md.
//
//     AUTHKIT_PEERS=<dir> node peer.mjs node | authkit-session | iron-session

import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.AUTHKIT_PEERS}/npm/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)));

// A session cookie never expires by its seal.
const ttl = 0;

const libraries = {
  async node() {
    const { WorkOS } = await load('workos-node-11');
    const { userManagement } = new WorkOS('sk_test_default', { clientId: 'client_peer' });
    return {
      seal: (authenticationResponse, cookiePassword) =>
        userManagement.sealSessionDataFromAuthenticationResponse({ authenticationResponse, cookiePassword }),
      unseal: async (sessionData, cookiePassword) => {
        const session = await userManagement.getSessionFromCookie({ sessionData, cookiePassword });
        if (!session?.accessToken) throw new Error('no session'); // this SDK answers a bad seal with nothing
        return session;
      },
    };
  },
  async 'authkit-session'() {
    const { sessionEncryption } = await load('@workos/authkit-session');
    return {
      seal: (payload, password) => sessionEncryption.sealData(payload, { password, ttl }),
      unseal: (sealed, password) => sessionEncryption.unsealData(sealed, { password }),
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
for (const { op, password, payload, sealed } of JSON.parse(await text(process.stdin))) {
  try {
    const ok = op === 'seal' ? await library.seal(payload, password) : await library.unseal(sealed, password);
    answers.push({ ok });
  } catch (error) {
    answers.push({ error: `${error.name}: ${error.message}` });
  }
}
console.log(JSON.stringify(answers));
