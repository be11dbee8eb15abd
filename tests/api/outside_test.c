/* Somebody else's test program: CUnit tests whose bodies are tasks, by pkg-config aio-test. */
#include <aio-test/test.h>
#include <aio/aio.h>

AIO_TEST(sleeping)
{
    int64_t start = aio_time_now();

    AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    AIO_CHECK(aio_time_now() - start >= AIO_MS(2));
}

int main(int argc, char **argv)
{
    return aio_test_main(argc, argv);
}
