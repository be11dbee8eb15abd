/*
 * Reading of ranges, see range.h.
 */
#include "examples/static/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A number, as far as there are digits; what is larger than can be told is the largest. Returns
 * whether there were any. */
static bool read_number(const char **at, uint64_t *number)
{
    const char *begin = *at;
    *number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
    }
    return *at > begin;
}

/* One of the list. 1; 0: it lies outside; -1: malformed. */
static int read_range(const char **at, struct range *range, uint64_t size)
{
    uint64_t first = 0, last = 0;
    bool has_first = read_number(at, &first);
    if (*(*at)++ != '-')
        return -1;
    bool has_last = read_number(at, &last);
    if ((!has_first && !has_last) || (has_first && has_last && last < first))
        return -1;
    if (!has_first) { /* so many at the end */
        first = last < size ? size - last : 0;
        has_last = false;
        if (last == 0)
            return 0;
    }
    if (first >= size)
        return 0;
    *range = (struct range){first, (has_last && last < size ? last + 1 : size) - first};
    return 1;
}

static bool overlaps(const struct range *ranges, int count)
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < i; k++)
            if (ranges[i].first < ranges[k].first + ranges[k].length &&
                ranges[k].first < ranges[i].first + ranges[i].length)
                return true;
    return false;
}

/* Goes to the next one of the list, which may have empty elements. Returns whether there is one. */
static bool next_element(const char **at)
{
    while (is_blank(**at) || **at == ',')
        (*at)++;
    return **at != '\0';
}

int range_parse(struct range ranges[RANGES_MAX], const char *text, uint64_t size)
{
    int count = 0, outside = 0;
    if (size == 0 || strncasecmp(text, "bytes=", 6) != 0)
        return 0;
    for (const char *at = text + 6; next_element(&at);) {
        struct range range;
        int rc = read_range(&at, &range, size);
        while (rc >= 0 && is_blank(*at))
            at++;
        if (rc < 0 || (*at != ',' && *at != '\0') || count + outside == RANGES_MAX)
            return 0;
        if (rc > 0)
            ranges[count++] = range;
        else
            outside++;
    }
    if (count == 0)
        return outside > 0 ? -1 : 0;
    return overlaps(ranges, count) ? 0 : count;
}
