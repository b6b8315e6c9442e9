import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { FastifyInstance } from "fastify";

/** GraphiQL out of node_modules: it works where there is no internet, and nobody else's server is asked for scripts. */
const PAGE_PATH = "/graphiql";
const require = createRequire(import.meta.url);

interface Asset {
  readonly name: string;
  readonly packageName: string;
  readonly file: string;
  readonly type: string;
}

const SCRIPT = "text/javascript; charset=utf-8";
const assets: readonly Asset[] = [
  { name: "react.js", packageName: "react", file: "umd/react.production.min.js", type: SCRIPT },
  { name: "react-dom.js", packageName: "react-dom", file: "umd/react-dom.production.min.js", type: SCRIPT },
  { name: "graphiql.js", packageName: "graphiql", file: "graphiql.min.js", type: SCRIPT },
  { name: "graphiql.css", packageName: "graphiql", file: "graphiql.min.css", type: "text/css; charset=utf-8" },
];

/** Scripts come from us and nowhere else. Styles and fonts are inlined by GraphiQL itself; "ws:" is there for browsers that do not count a socket as 'self'. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Fleetlog GraphiQL</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="${PAGE_PATH}/page.css" />
    <link rel="stylesheet" href="${PAGE_PATH}/graphiql.css" />
  </head>
  <body>
    <div id="graphiql">Loading…</div>
    <script src="${PAGE_PATH}/react.js"></script>
    <script src="${PAGE_PATH}/react-dom.js"></script>
    <script src="${PAGE_PATH}/graphiql.js"></script>
    <script src="${PAGE_PATH}/page.js"></script>
  </body>
</html>
`;

const pageStyle = "html, body, #graphiql { height: 100%; margin: 0; }\n";

/**
 * The headers editor holds the token; over WebSocket the same headers go out as connectionParams. A token in the fragment
 * (`/graphiql#token=…`, which no browser sends to a server) fills it in, so that the demo can print one address.
 */
const pageScript = `const subscriptionUrl = location.origin.replace(/^http/, "ws") + "/graphql";
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "TOKEN";
const root = ReactDOM.createRoot(document.getElementById("graphiql"));
root.render(
  React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: "/graphql", subscriptionUrl }),
    defaultHeaders: JSON.stringify({ Authorization: "Bearer " + token }, null, 2),
    headers: location.hash.includes("token=") ? JSON.stringify({ Authorization: "Bearer " + token }, null, 2) : undefined,
    defaultEditorToolsVisibility: "headers",
    isHeadersEditorEnabled: true,
    defaultQuery: "# Put a token into the Headers below, then press the\\n# sign at the lower left that fetches the schema again.\\n\\nquery Devices {\\n  devices(first: 10) {\\n    totalCount\\n    edges { node { deviceId name status lastSeen connectivity { online } } }\\n  }\\n}\\n",
  }),
);
`;

/** `GET /graphiql` and what it loads; `GET /` leads there. */
export function registerGraphiql(app: FastifyInstance): void {
  const send = (path: string, type: string, body: () => string | Promise<Buffer>, cache: string): void => {
    app.get(path, async (_request, reply) => {
      const content = await body();
      return reply
        .header("content-security-policy", POLICY)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", cache)
        .type(type)
        .send(content);
    });
  };
  app.get("/", (_request, reply) => reply.redirect(PAGE_PATH));
  send(PAGE_PATH, "text/html; charset=utf-8", () => page, "no-cache");
  send(`${PAGE_PATH}/page.js`, SCRIPT, () => pageScript, "no-cache");
  send(`${PAGE_PATH}/page.css`, "text/css; charset=utf-8", () => pageStyle, "no-cache");
  for (const { name, packageName, file, type } of assets) {
    const folder = dirname(require.resolve(`${packageName}/package.json`));
    send(`${PAGE_PATH}/${name}`, type, () => readFile(join(folder, file)), "public, max-age=3600");
  }
}
