/*
 * See condition.h.
 */
#include "examples/static/condition.h"

#include "examples/static/http_date.h"

#include <string.h>

/* Whether a list of tags has this one, or is "*". Weak ones count where that is allowed. */
static bool list_has(const char *list, const char *tag, bool weak)
{
    size_t length = strlen(tag);
    const char *at = list + strspn(list, " \t,");
    if (strcmp(at, "*") == 0)
        return true;
    while (*at != '\0') {
        bool is_weak = strncmp(at, "W/", 2) == 0;
        at += is_weak ? 2 : 0;
        if (*at != '"')
            return false; /* malformed */
        const char *end = strchr(at + 1, '"');
        if (end == NULL)
            return false;
        if ((weak || !is_weak) && (size_t)(end + 1 - at) == length && memcmp(at, tag, length) == 0)
            return true;
        at = end + 1 + strspn(end + 1, " \t,");
    }
    return false;
}

/* A date that is none is to be ignored, as if it were not there. */
static bool date_of(const struct request *request, enum field field, int64_t *date, int64_t now)
{
    const char *text = request->fields[field];
    return text != NULL && http_date_parse(date, text, now);
}

int condition_check(const struct request *request, const struct file *file, int64_t now)
{
    const char *match = request->fields[FIELD_IF_MATCH];
    const char *none_match = request->fields[FIELD_IF_NONE_MATCH];
    int64_t date;
    if (match != NULL) {
        if (!list_has(match, file->tag, false))
            return 412;
    } else if (date_of(request, FIELD_IF_UNMODIFIED_SINCE, &date, now) &&
               file->modified.tv_sec > date) {
        return 412;
    }
    if (none_match != NULL)
        return list_has(none_match, file->tag, true) ? 304 : 200;
    if (date_of(request, FIELD_IF_MODIFIED_SINCE, &date, now) && file->modified.tv_sec <= date)
        return 304;
    return 200;
}

/* A date is good enough only when the file cannot have changed again within its second. */
bool condition_allows_range(const struct request *request, const struct file *file, int64_t now)
{
    const char *text = request->fields[FIELD_IF_RANGE];
    int64_t date;
    if (text == NULL)
        return true;
    if (*text == '"')
        return strcmp(text, file->tag) == 0;
    return http_date_parse(&date, text, now) && date == file->modified.tv_sec &&
           file->modified.tv_sec < now;
}
