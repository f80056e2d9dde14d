"""What is a test, by the conventions of the tools that look for them."""

from __future__ import annotations

import pytest

from pullwright.agents.worker.testfiles import is_test_file, separate_tests

TESTS = {
    "pytest": ["test_cart.py", "src/shop/cart_test.py", "conftest.py", "tests/unit/data/cart.json", "shop/tests/x.py"],
    "unittest": ["src/test_cart.py", "testcart.py", "shop/tests.py"],
    "jest": ["src/__tests__/cart.js", "src/cart.test.tsx", "src/__snapshots__/cart.test.js.snap", "__mocks__/fs.js"],
    "vitest": ["src/cart.spec.mts", "src/cart.test.cjs"],
    "mocha": ["test/cart.mjs"],
    "node": ["lib/cart-test.js", "lib/test-cart.js", "lib/cart_test.mjs", "test.js"],
    "cypress": ["cypress/fixtures/cart.json", "src/cart.cy.ts"],
    "playwright": ["e2e/cart.spec.ts"],
    "go": ["shop/cart_test.go", "shop/testdata/cart.golden"],
    "rust": ["tests/cart.rs", "crates/shop/tests/common/mod.rs", "src/cart/tests.rs", "src/snapshots/cart.snap"],
    "maven": ["src/test/java/shop/CartTest.java", "src/test/resources/cart.xml", "src/it/shop/pom.xml"],
    "junit": ["shop/TestCart.java", "shop/CartTests.java", "shop/CartTestCase.java", "shop/CartTest.kt"],
    "gradle": ["src/integrationTest/kotlin/Cart.kt", "src/androidTest/Cart.kt", "src/testFixtures/Cart.java"],
    "kotlin": ["shop/src/commonTest/kotlin/Cart.kt"],
    "scala": ["shop/CartSpec.scala", "shop/CartSuite.scala"],
    "rspec": ["spec/models/cart_spec.rb", "spec/spec_helper.rb", "spec/fixtures/cart.yml"],
    "minitest": ["test/models/cart_test.rb", "lib/test_cart.rb"],
    "cucumber": ["features/cart.feature", "features/step_definitions/cart.rb"],
    "phpunit": ["tests/Unit/Cart.php", "src/CartTest.php", "Zend/tests/cart.phpt"],
    "dotnet": ["Shop.Tests/Cart.cs", "src/Shop.UnitTests/Usings.cs", "ShopTests/Cart.cs", "Shop/CartTests.cs"],
    "swift": ["Tests/ShopTests/Cart.swift", "Shop/CartTests.swift"],
    "elixir": ["test/cart_test.exs", "test/support/conn.ex"],
    "dart": ["test/cart.dart", "lib/cart_test.dart"],
    "googletest": ["base/cart_unittest.cc", "base/cart_test.cc"],
    "perl": ["t/01-cart.t", "t/lib/Cart.pm"],
    "others": ["cart.bats", "src/CartSpec.hs", "cart_spec.lua", "apps/shop/cart_SUITE.erl"],
}
OTHERS = [
    "src/shop/cart.py",
    "latest/cart.py",
    "contest.py",
    "src/attest.go",
    "src/greatest.js",
    "src/inspect/cart.ts",
    "src/specification.ts",
    "lib/t/cart.pm",
    "it/cart.py",
    "src/main/java/shop/Testimonial.java",
    "src/main/java/shop/Contest.java",
    "src/lib.rs",
    "Shop/Latest.cs",
    "features/cart/index.tsx",
    "protest/cart.py",
    "README.md",
    "package.json",
    "",
]


@pytest.mark.parametrize("path", [path for paths in TESTS.values() for path in paths])
def test_a_file_of_tests_is_known(path: str) -> None:
    assert is_test_file(path)


@pytest.mark.parametrize("path", OTHERS)
def test_anything_else_is_none(path: str) -> None:
    assert not is_test_file(path)


def test_tests_are_told_apart_only_where_there_is_something_else() -> None:
    assert separate_tests(["a.py", "test_a.py", "tests/x"]) == ("test_a.py", "tests/x")
    assert separate_tests(["test_a.py", "tests/x"]) == ()
    assert separate_tests(["a.py"]) == ()
    assert separate_tests([]) == ()
