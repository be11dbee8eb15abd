/*
 * Ranges of a file: those that are taken lie within it, do not overlap, and mean the same when they
 * are written plainly. The input begins with the file's size.
 */
#include "tests/fuzz/fuzz.h"

#include "examples/static/range.c"

#include <inttypes.h>

static bool apart(const struct range *left, const struct range *right)
{
    return left->first + left->length <= right->first ||
           right->first + right->length <= left->first;
}

static void check_again(const struct range *ranges, int count, uint64_t size)
{
    char text[RANGES_MAX * 44 + 8] = "Bytes=";
    struct range again[RANGES_MAX];
    for (int i = 0; i < count; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%" PRIu64 "-%" PRIu64 ",", ranges[i].first,
                 ranges[i].first + ranges[i].length - 1);
    }
    FUZZ_CHECK(range_parse(again, text, size) == count);
    FUZZ_CHECK(memcmp(again, ranges, (size_t)count * sizeof *ranges) == 0);
}

FUZZ_TARGET(http_range)
{
    struct range ranges[RANGES_MAX];
    uint64_t bytes = 0;
    size_t skip = size < sizeof bytes ? size : sizeof bytes;
    for (size_t i = 0; i < skip; i++)
        bytes = bytes << 8 | data[i];
    char *text = fuzz_text(data + skip, size - skip);
    int count = range_parse(ranges, text, bytes);
    FUZZ_CHECK(count >= -1 && count <= RANGES_MAX);
    FUZZ_CHECK(count == 0 || bytes > 0);
    for (int i = 0; i < count; i++) {
        FUZZ_CHECK(ranges[i].length > 0 && ranges[i].first < bytes);
        FUZZ_CHECK(ranges[i].length <= bytes - ranges[i].first);
        for (int k = 0; k < i; k++)
            FUZZ_CHECK(apart(&ranges[i], &ranges[k]));
    }
    if (count > 0)
        check_again(ranges, count, bytes);
    free(text);
    return 0;
}
