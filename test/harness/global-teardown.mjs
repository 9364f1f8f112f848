// After the last test: stops and deletes the servers that the run has started.
export { stopPrivateServers as default } from './private-server.mjs';
