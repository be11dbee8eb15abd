/*
 * Words and exit codes for errors.
 */
#include <aio/error.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The errno value of a negative code; the least int has none, and no positive twin either. */
static int error_number(int code)
{
    return code != INT_MIN ? -code : INT_MAX;
}

const char *aio_error_text(int code)
{
    if (code >= 0)
        return "Success";
    const char *text = strerrordesc_np(error_number(code));
    return text != NULL ? text : "Unknown error";
}

const char *aio_error_name(int code)
{
    if (code >= 0)
        return "OK";
    const char *name = strerrorname_np(error_number(code));
    return name != NULL ? name : "E?";
}

int aio_error_exit(int code, const char *what)
{
    if (code >= 0 || code == -ECANCELED)
        return 0;
    (void)fprintf(stderr, "%s: %s (%s)\n", what, aio_error_text(code), aio_error_name(code));
    return 1;
}
