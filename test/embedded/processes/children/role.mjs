// A role of ours, as the supervisor sees it: says that it is ready, answers, ends when told.
process.on("message", (message) => {
  if (message === "die") process.exit(3);
  process.send({ echo: message, pid: process.pid });
});
process.on("SIGTERM", () => process.exit(0));
process.send("ready");
