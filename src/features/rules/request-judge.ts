import type { SecretTest } from '../../event/flatten.js';
import type { BlockJudge } from '../../recorder/block-judge.js';
import type { RuleBook } from './rule-book.js';

/** Judges requests before their handlers, with what the rules that block ask of what a client sent. */
export function requestJudge(rules: RuleBook, isSecretKey: SecretTest): BlockJudge {
  return {
    get canBlock() {
      return rules.canBlock;
    },
    blocking(event, sent) {
      const values = rules.sent.keys.length === 0 ? {} : rules.sent.read(sent(), isSecretKey);
      const { method } = event.metadata;
      return rules.blocking({
        ...event,
        details: { ...event.details, ...values },
        // Platforms give HEAD to the handlers of GET.
        metadata: { ...event.metadata, ...(method === 'HEAD' && { method: ['HEAD', 'GET'] }) },
      });
    },
  };
}
