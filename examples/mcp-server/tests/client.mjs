// Drives an MCP server with the official TypeScript SDK's client: `node client.mjs <server> <user> <scope> <tool>...`.
// Prints a line of JSON for each tool: what it answered, or what refused it. `refresh` in place of a tool has the client
// forget its access token, so that the SDK has to refresh. CLIENT_METADATA_URL is the address of the client's metadata
// document, if it has one.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [server, user, scope, ...tools] = process.argv.slice(2);
const redirectUrl = "http://localhost:9/callback";

/** What an MCP client keeps of its user, and a browser that signs the user in at once. */
class User {
  get redirectUrl() { return redirectUrl; }
  get clientMetadataUrl() { return process.env.CLIENT_METADATA_URL; }
  get clientMetadata() {
    return {
      client_name: "test client",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      scope,
    };
  }
  state() { return "a state"; }
  clientInformation() { return this.information; }
  saveClientInformation(information) { this.information = information; }
  tokens() { return this.kept; }
  saveTokens(tokens) { this.kept = tokens; }
  codeVerifier() { return this.verifier; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  async redirectToAuthorization(url) {
    url.searchParams.set("login_hint", user);
    url.searchParams.set("scope", scope); // the user allows no more than this
    const answer = await fetch(url, { redirect: "manual" });
    this.callback = new URL(answer.headers.get("location"));
  }
}

const provider = new User();
const transport = () => new StreamableHTTPClientTransport(new URL(server), { authProvider: provider });

async function connect() {
  const client = new Client({ name: "test client", version: "1.0.0" });
  const first = transport();
  try {
    await client.connect(first);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
  }
  const { searchParams } = provider.callback;
  if (searchParams.get("state") !== "a state") throw new Error("the state is not ours");
  await first.finishAuth(searchParams.get("code"));
  const again = new Client({ name: "test client", version: "1.0.0" });
  await again.connect(transport());
  return again;
}

const client = await connect();
for (const name of tools) {
  if (name === "refresh") {
    provider.kept = { ...provider.kept, access_token: "forgotten" };
    continue;
  }
  try {
    const { content, isError } = await client.callTool({ name, arguments: {} });
    console.log(JSON.stringify({ name, [isError ? "refused" : "text"]: content[0].text }));
  } catch (error) {
    console.log(JSON.stringify({ name, refused: String(error.message) }));
  }
}
await client.close();
