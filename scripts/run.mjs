// What `npm start`, `npm run demo`, `npm test` and `npm run bench` run. It works on a fresh clone: nothing here, nor in
// launcher/, may import a package or a compiled file before they are there. This file is the one that an old Node.js
// must still be able to read, so that it can say what is wrong.
const needed = [20, 19];
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(
    `fleetlog needs Node.js ${needed.join(".")} or later; this is ${process.versions.node}: install a newer one.`,
  );
  process.exitCode = 2;
} else {
  void import("./launcher/launch.mjs").then(({ launch }) => launch(process.argv.slice(2)));
}
