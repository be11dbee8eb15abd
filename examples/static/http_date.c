/*
 * Reading and writing of dates, see http_date.h. No locale and no time zone has a say in it.
 */
#include "examples/static/http_date.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 86400
#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

/* Days from 1970 to the first of March of a year, before which its leap day lies. */
static int64_t days_to_march(int64_t year)
{
    return year * 365 + year / 4 - year / 100 + year / 400 - 719468;
}

/* Days of a year that begins with March, before one of its months. */
static int days_to_month(int month)
{
    return (153 * month + 2) / 5;
}

struct date {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
};

static int64_t days_of(const struct date *date)
{
    int month = date->month > 2 ? date->month - 3 : date->month + 9;
    return days_to_march(date->month > 2 ? date->year : date->year - 1) + days_to_month(month) +
           date->day - 1;
}

static struct date date_of(int64_t count)
{
    struct date date = {.year = (int)((count + 719468) / 366)}; /* not too late */
    while (days_to_march(date.year + 1) <= count)
        date.year++;
    int rest = (int)(count - days_to_march(date.year)), month = (5 * rest + 2) / 153;
    date.day = rest - days_to_month(month) + 1;
    date.month = month < 10 ? month + 3 : month - 9;
    date.year += month >= 10;
    return date;
}

void http_date_format(char out[HTTP_DATE_BYTES], int64_t seconds)
{
    seconds = seconds < 0 ? 0 : seconds > LAST_SECOND ? LAST_SECOND : seconds;
    int64_t count = seconds / DAY_SECONDS;
    int rest = (int)(seconds % DAY_SECONDS);
    struct date date = date_of(count);
    (void)snprintf(out, HTTP_DATE_BYTES, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                   days + (count + 4) % 7 * 3, date.day % 100, months + (date.month - 1) % 12 * 3,
                   date.year % 10000, rest / 3600 % 24, rest / 60 % 60, rest % 60);
}

/* Which of the names, of three letters each, the text begins with; -1: none. */
static int name_index(const char *names, const char *text)
{
    for (int i = 0; names[i * 3] != '\0'; i++)
        if (strncmp(names + i * 3, text, 3) == 0)
            return i;
    return -1;
}

/* The digit that the text begins with, for which a day may have a blank; -1: none. */
static int digit(const char *text, bool blank)
{
    return blank && *text == ' ' ? 0 : *text >= '0' && *text <= '9' ? *text - '0' : -1;
}

/* Reads the text by a pattern: Y, D, h, m and s stand for a digit of that number, N for the name of
 * a month, everything else for itself. Returns whether it is so. */
static bool date_match(struct date *date, const char *text, const char *pattern)
{
    static const char letters[] = "YDhms";
    int numbers[5] = {0}, month = -1;
    for (; *pattern != '\0'; pattern++, text++) {
        const char *letter = strchr(letters, *pattern);
        if (*pattern == 'N') {
            month = name_index(months, text);
            if (month < 0)
                return false;
            text += 2;
        } else if (letter != NULL) {
            int *number = &numbers[letter - letters];
            int value = digit(text, *pattern == 'D');
            if (value < 0)
                return false;
            *number = *number * 10 + value;
        } else if (*text != *pattern) {
            return false;
        }
    }
    *date = (struct date){numbers[0], month + 1, numbers[1], numbers[2], numbers[3], numbers[4]};
    return *text == '\0';
}

static bool date_exists(const struct date *date)
{
    struct date next = {
        .year = date->year + (date->month == 12), .month = date->month % 12 + 1, .day = 1};
    return date->month >= 1 && date->day >= 1 && days_of(date) < days_of(&next) &&
           date->hour < 24 && date->minute < 60 && date->second < 61;
}

/* What follows the name of a day, which says nothing new. */
static const char *after_day(const char *text)
{
    static const char *const ends[] = {"day", "sday", "nesday", "rsday", "urday", ""};
    if (name_index(days, text) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t length = strlen(ends[i]);
        if (strncmp(text + 3, ends[i], length) == 0)
            return text + 3 + length;
    }
    return NULL;
}

bool http_date_parse(int64_t *seconds, const char *text, int64_t now)
{
    struct date date;
    const char *rest = after_day(text);
    if (rest == NULL)
        return false;
    bool two_digits = date_match(&date, rest, ", DD-N-YY hh:mm:ss GMT");
    if (two_digits) { /* of the century in which it is not more than 50 years ahead */
        int year = date_of(now / DAY_SECONDS).year;
        date.year += year - year % 100;
        if (date.year > year + 50)
            date.year -= 100;
    } else if (!date_match(&date, rest, ", DD N YYYY hh:mm:ss GMT") &&
               !date_match(&date, rest, " N DD hh:mm:ss YYYY")) {
        return false;
    }
    if (!date_exists(&date))
        return false;
    *seconds = days_of(&date) * DAY_SECONDS + date.hour * 3600 + date.minute * 60 + date.second;
    return true;
}
