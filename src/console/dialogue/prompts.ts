/** What a VM's console shows when it waits for somebody: logins, passwords, shells. */
/** What asks for a name, and for a password in the languages that distributions have; both can be given. */
export const defaultLoginPrompt = '(?<!Last )login: ?$';
export const defaultPasswordPrompt =
  '(?:[Pp]assw(?:or[dt]|oord)|[Mm]ot de passe|[Cc]ontraseña|[Cc]ontrasenya|[Ss]enha|[Pp]alavra-passe|[Ll]ösenord|' +
  '[Pp]assord|[Aa]dgangskode|[Ss]alasana|[Hh]asło|[Hh]eslo|[Jj]elszó|[Pp]arola|[Şş]ifre|[Гг]?[Пп]ароль|Κωδικός|' +
  'パスワード|密码|密碼|암호)[^\\r\\n]{0,40}[:：] ?$';

/** Of shells; Debian's initramfs has one of its own, and dracut's ends with `:/# `. */
export const defaultPrompt = '(?:[#$%>]|\\(initramfs\\)) $';
/**
 * What asks for root's password, and no name, where a VM has not booted: sulogin(8) of util-linux, sysvinit and busybox,
 * which systemd and dracut start, too.
 */
export const suloginPrompt =
  /(?:[Gg]ive root password for [^\r\n]*|(?:Control|Ctrl|Strg)[-+]D[^\r\n]*): ?$/m;

/** What the shell, the login and its password prompt look like. */
export interface Prompts {
  readonly prompt: RegExp;
  readonly loginPrompt: RegExp;
  readonly passwordPrompt: RegExp;
}

/** One that matches what any of them matches. */
export function either(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => `(?:${source})`).join('|'), 'm');
}

/** A prompt is one when nothing has followed it for so long. */
export const QUIET_MS = 40;
