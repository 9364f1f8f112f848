const URL_TEXT = /([a-z][a-z0-9+.-]{0,31}:\/\/)(?:[^\s"'<>]*@)?([^\s"'<>/?#]*)[^\s"'<>]*/gi;

/** The text with each URL in it cut to its host: its user, password, path and query may be secrets. */
export function withoutUrlSecrets(text: string): string {
  return text.replace(URL_TEXT, (url: string, scheme: string, host: string) => {
    const kept = scheme + host;
    return kept === url ? url : `${kept}/…`;
  });
}
