// In a process of a measurement: answers what it is asked by IPC, and ends with whoever asks.

/** @param {Record<string, (value: any) => unknown>} answers a function for each question */
export function answerQuestions(answers) {
  process.on('message', async ({ name, value }) => {
    try {
      process.send({ answer: await answers[name](value) });
    } catch (error) {
      process.send({ error: error.stack });
    }
  });
  process.once('disconnect', () => process.exit());
}
