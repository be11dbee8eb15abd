/*
 * Dates: one that is read is written and read again as the same, whatever its form was; and any
 * time that is written is read as that time, and is what gmtime(3) says.
 */
#include "tests/fuzz/fuzz.h"

#include "examples/static/http_date.c"

#include <time.h>

static void check_written(int64_t seconds)
{
    char text[HTTP_DATE_BYTES], other[HTTP_DATE_BYTES];
    int64_t again = -1;
    time_t when = (time_t)seconds;
    struct tm parts;
    http_date_format(text, seconds);
    FUZZ_CHECK(http_date_parse(&again, text, 0) && again == seconds);
    FUZZ_CHECK(gmtime_r(&when, &parts) != NULL);
    FUZZ_CHECK(strftime(other, sizeof other, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 29);
    FUZZ_CHECK(strcmp(text, other) == 0);
}

FUZZ_TARGET(http_date)
{
    int64_t seconds = 12345, number = 0;
    char *text = fuzz_text(data, size);
    for (size_t i = 0; i < size && i < 5; i++)
        number = number << 8 | data[i];
    bool good = http_date_parse(&seconds, text, number % (LAST_SECOND + 1));
    FUZZ_CHECK(good || seconds == 12345);
    if (good && seconds >= 0 && seconds <= LAST_SECOND) /* not written as the end it is beyond */
        check_written(seconds);
    check_written(number % (LAST_SECOND + 1));
    free(text);
    return 0;
}
