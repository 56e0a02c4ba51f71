// Cycle points: integers or dates of ISO 8601, which are equal by value (section 8.3).

const DATE = /^(\d{4})(?:-?(\d{2})-?(\d{2})|-?W(\d{2})-?([1-7])|-?(\d{3})|-(\d{2}))?(?:T(\d{2})(\d{2})?(\d{2})?)?(Z|[+-]\d{2}(?:\d{2})?)?$/;
const DAY = 86_400_000;

const isDate = (text) => text.length > 8 && DATE.test(text);

/**
 * A number that says where a cycle point is among others; undefined if it is none. Digits alone
 * are a year, or a date, where the others are `dates`.
 */
export function valueOf(text, dates = false) {
  if (typeof text === "number") return valueOf(String(text), dates);
  if (typeof text !== "string") return undefined;
  if (!dates && /^[+-]?\d+$/.test(text)) return Number(text);
  const date = DATE.exec(text);
  if (!date) return undefined;
  const [, year, month, day, week, weekday, ordinal, only, hours, minutes, seconds, zone] = date;
  const numbers = [year, month ?? only ?? 1, day ?? 1].map(Number);
  let at = Date.UTC(numbers[0], numbers[1] - 1, numbers[2]);
  if (ordinal) at = Date.UTC(numbers[0], 0, Number(ordinal));
  if (week) {
    const fourth = Date.UTC(numbers[0], 0, 4); // is always in the first week
    const monday = fourth - ((new Date(fourth).getUTCDay() + 6) % 7) * DAY;
    at = monday + ((Number(week) - 1) * 7 + Number(weekday) - 1) * DAY;
  }
  at += ((Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds ?? 0)) * 1000;
  const offset = !zone || zone === "Z" ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3) || 0);
  return at - (zone?.startsWith("-") ? -offset : offset) * 60_000;
}

/** Whether what somebody wrote is a cycle point by its value. */
export const same = (written, point) =>
  written === point || (valueOf(point) !== undefined && valueOf(written, isDate(point)) === valueOf(point));
