/** Where keys and tokens lie on this machine, for programs that work beside the SDK, such as the command line. */
export { type Clock, systemClock } from './clock.ts'
export { type LocalState, type LocalStateOptions, parseFile, readLocalState, serverFolder } from './config.ts'
export { readPrivateFile, replacePrivateFile } from './private-file.ts'
