/** Secret wherever they occur in a key, since no other word contains them. */
const SECRET_PARTS = [
  'accesskey',
  'apikey',
  'appkey',
  'assertion',
  'authcode',
  'authorisation',
  'authorization',
  'backupcode',
  'bankaccount',
  'cardno',
  'cardnum',
  'ccnumber',
  'codeverifier',
  'connectionstring',
  'cookie',
  'credential',
  'creditcard',
  'csrf',
  'cvv',
  'dbpass',
  'debitcard',
  'encryptionkey',
  'iban',
  'masterkey',
  'mfacode',
  'mnemonic',
  'oauth',
  'otpcode',
  'passcode',
  'passphrase',
  'passw',
  'pincode',
  'privatekey',
  'pswd',
  'pwd',
  'recoverycode',
  'samlresponse',
  'secret',
  'securitycode',
  'sessionid',
  'sessionkey',
  'sharedkey',
  'signingkey',
  'socialsecurity',
  'sortcode',
  'sshkey',
  'token',
  'userpass',
  'verificationcode',
  'xsrf',
];

/** Secret only as whole words: `pan` is a card number, `company` is none. */
const SECRET_WORDS = new Set([
  'auth',
  'bearer',
  'card',
  'cards',
  'csc',
  'cvc',
  'dsn',
  'jwt',
  'otp',
  'pan',
  'pass',
  'pin',
  'psw',
  'sid',
  'signature',
  'ssn',
  'totp',
]);

/** A key this long is no name that anyone chose. */
const LONGEST_KEY = 256;

/**
 * A predicate for keys whose values must not leave memory: at any depth, in any case and any spelling (`apiKey`,
 * `API_KEY`, `x-api-key`). Answers are remembered for the first 2,000 distinct short keys.
 */
export function createSecretKeyTest(keys: readonly string[] = []): (key: string) => boolean {
  const own = new Set(keys.map((key) => singular(squash(key))));
  const known = new Map<string, boolean>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const secret = key
      .slice(0, LONGEST_KEY)
      .split('.')
      .some((part) => isSecretPart(part, own));
    if (known.size < 2_000 && key.length <= 64) known.set(key, secret);
    return secret;
  };
}

function isSecretPart(part: string, own: ReadonlySet<string>): boolean {
  const squashed = squash(part);
  if (own.has(singular(squashed)) || SECRET_PARTS.some((secret) => squashed.includes(secret))) return true;
  return wordsOf(part).some((word) => SECRET_WORDS.has(word)) || SECRET_WORDS.has(squashed);
}

function squash(key: string): string {
  return key
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}

function singular(squashed: string): string {
  return squashed.replace(/s$/, '');
}

/** `customerCVV2` → `customer`, `cvv` */
function wordsOf(key: string): string[] {
  return key
    .normalize('NFKC')
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== '');
}
