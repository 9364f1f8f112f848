/**
 * The compiled module that the thread runs. The build writes it for each kind of module, since only a compiled one can name its
 * neighbour; `undefined` where the sources themselves are run, as by a test: then there is no thread.
 */
export const threadFile: string | URL | undefined = undefined;
