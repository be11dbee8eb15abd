/*
 * Names with a port: what is accepted has the parts that a name has, its letters lower-case.
 */
#include "tests/fuzz/fuzz.h"

#include "net/resolve.h"

FUZZ_TARGET(name)
{
    struct aio__name name;
    char *text = fuzz_text(data, size);
    int rc = aio__name_parse(&name, text);
    FUZZ_CHECK(rc == 0 || rc == -EINVAL);
    if (rc == 0) {
        size_t length = strcspn(text, ":");
        FUZZ_CHECK(length > 0 && length < 255 && strlen(name.host) == length);
        FUZZ_CHECK(strncasecmp(name.host, text, length) == 0);
        FUZZ_CHECK(strspn(name.host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == length);
        FUZZ_CHECK(name.host[0] != '.' && strstr(name.host, "..") == NULL);
    }
    free(text);
    return 0;
}
