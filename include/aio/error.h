/*
 * <aio/error.h>: turning negative errno values into words and exit codes.
 */
#ifndef AIO_ERROR_H
#define AIO_ERROR_H

#include <aio/base.h>

AIO_BEGIN_DECLS

/*
 * aio_error_text gives the words for an error code: "Connection reset by peer" for -ECONNRESET.
 *
 * Suspends:  never.
 * Context:   anywhere, any thread.
 * Lifetime:  the text is static.
 * Returns:   the text; "Success" for values >= 0; "Unknown error" for codes libc does not know.
 */
AIO_API const char *aio_error_text(int code);

/*
 * aio_error_name gives the symbol of an error code: "ECONNRESET" for -ECONNRESET.
 *
 * Suspends:  never.
 * Context:   anywhere, any thread.
 * Lifetime:  the text is static.
 * Returns:   the name; "OK" for values >= 0; "E?" for codes libc does not know.
 */
AIO_API const char *aio_error_name(int code);

/*
 * aio_error_exit turns the result that ended a program's work into its exit code. For an error it
 * prints one sentence "what: text (NAME)" to standard error. A program that was asked to stop
 * (-ECANCELED, see aio_signal_shutdown) has done its work: that is exit code 0 and prints
 * nothing.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0 for code >= 0 and for -ECANCELED, else 1.
 */
AIO_API int aio_error_exit(int code, const char *what);

AIO_END_DECLS

#endif
