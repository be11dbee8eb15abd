/*
 * Words and exit codes for errors.
 */
#include <aio/error.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *aio_error_text(int code)
{
    if (code >= 0)
        return "Success";
    const char *text = strerrordesc_np(-code);
    return text != NULL ? text : "Unknown error";
}

const char *aio_error_name(int code)
{
    if (code >= 0)
        return "OK";
    const char *name = strerrorname_np(-code);
    return name != NULL ? name : "E?";
}

int aio_error_exit(int code, const char *what)
{
    if (code >= 0 || code == -ECANCELED)
        return 0;
    (void)fprintf(stderr, "%s: %s (%s)\n", what, aio_error_text(code), aio_error_name(code));
    return 1;
}
