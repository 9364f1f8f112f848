import { withFewMarks } from '../../event/few-marks.js';
import type { SecretTest } from '../../event/flatten.js';
import { RecentMap } from '../../event/recent-map.js';

/** Secret wherever they occur in a key, since almost no other word contains them. */
export const SECRET_PARTS: readonly string[] = `
  accesskey apikey appkey assertion authcode authorisation authorization backupcode backupphrase
  bankaccount cardno cardnum ccnumber codeverifier connectionstring cookie credential creditcard
  csrf cvv dbpass debitcard encryptionkey iban masterkey mfacode mnemonic oauth onetimecode otpcode
  passcode passphrase passw pincode privatekey pswd pwd recoverycode recoveryphrase samlresponse
  secret securityanswer securitycode seedphrase sessionid sessionkey sharedkey signingkey smscode
  socialsecurity sortcode sshkey token twofactorcode userpass verificationcode xsrf
`.match(/\w+/g)!;

/** Secret only as whole words: `pan` is a card number, `company` is none. */
export const SECRET_WORDS: ReadonlySet<string> = new Set(
  `auth bearer card cards csc cvc dsn jwt mypass mypin newpass newpin oldpass oldpin otp pan pass pin
  psw pw sid signature ssn totp userpin`.match(/\w+/g),
);

/** Secret as the whole of a key, where the value is a digest: mostly that of a password. */
const DIGEST_KEY = /(?:^|\.)hash(?:ed)?$/i;
const DIGEST = /^(?:[0-9a-f]{16,}|\$[\w-]{1,32}\$.*|[A-Za-z0-9+/_-]{27,}={0,2})$/i;

/** `citibank`, `secretary` */
const OTHER_WORDS: Readonly<Record<string, string>> = { iban: '(?!(?<=[a-z]iban)k)', secret: '(?!ar[iy])' };
const PART = new RegExp(SECRET_PARTS.map((part) => part + (OTHER_WORDS[part] ?? '')).join('|'));
const LETTERS = /[a-z\u0080-\uffff]/i;
const ASCII = /^[ -~]*$/;

/** Keys of which is remembered what they are, and how long they may be: clients send keys of their own. */
const REMEMBERED = { keys: 2_000, length: 64 } as const;

/**
 * A predicate for keys whose values must not leave memory: at any depth, in any case and any spelling (`apiKey`,
 * `API_KEY`, `x-api-key`). Takes time in proportion to the key.
 */
export function createSecretKeyTest(keys: readonly string[] = []): SecretTest {
  const own = new Set(keys.map((key) => singular(squash(key))));
  const known = new RecentMap<string, boolean>(REMEMBERED.keys);
  const isSecret = (key: string) => key.split('.').some((part) => isSecretPart(part, own));
  return (key, value) => {
    let secret = known.get(key);
    if (secret === undefined) {
      secret = (LETTERS.test(key) || own.size > 0) && isSecret(withFewMarks(key));
      if (key.length <= REMEMBERED.length) known.set(key, secret);
    }
    return secret || (typeof value === 'string' && isDigestKey(key) && DIGEST.test(value));
  };
}

/** Whether the key is one that is secret only where its value is a digest. */
export function isDigestKey(key: string): boolean {
  return key.length <= REMEMBERED.length && DIGEST_KEY.test(key);
}

function isSecretPart(part: string, own: ReadonlySet<string>): boolean {
  const squashed = squash(part);
  if (PART.test(squashed) || own.has(singular(squashed)) || SECRET_WORDS.has(squashed)) return true;
  return wordsOf(part).some((word) => SECRET_WORDS.has(word));
}

function squash(key: string): string {
  return withoutMarks(key)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '');
}

/** `pässword` → `password` */
function withoutMarks(key: string): string {
  return ASCII.test(key) ? key : key.normalize('NFKD').replace(/\p{M}+/gu, '');
}

function singular(squashed: string): string {
  return squashed.endsWith('s') ? squashed.slice(0, -1) : squashed;
}

/** `customerCVV2` → `customer`, `cvv` */
function wordsOf(key: string): string[] {
  return withoutMarks(key)
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== '');
}
