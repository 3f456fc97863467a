import com.ibm.icu.lang.UCharacter;
import com.ibm.icu.lang.UProperty;
import com.ibm.icu.lang.UCharacter.IdentifierType;
import com.ibm.icu.text.Normalizer2;
import com.ibm.icu.text.SpoofChecker;
import java.io.PrintStream;
import java.util.function.IntPredicate;

/**
 * Prints, as JSON, the Unicode properties that Node's regular expressions do not have.
 * See README.md in this folder.
 */
public class UnicodeProperties {
  private static final PrintStream out = new PrintStream(System.out, true, java.nio.charset.StandardCharsets.UTF_8);
  private static final SpoofChecker spoof = new SpoofChecker.Builder().build();
  private static final Normalizer2 nfd = Normalizer2.getNFDInstance();

  public static void main(String[] arguments) {
    out.println("{");
    out.printf("\"unicode\": \"%s\",%n", UCharacter.getUnicodeVersion());
    ranges("joinsLeft", c -> joins(c, UCharacter.JoiningType.DUAL_JOINING, UCharacter.JoiningType.LEFT_JOINING));
    ranges("joinsRight", c -> joins(c, UCharacter.JoiningType.DUAL_JOINING, UCharacter.JoiningType.RIGHT_JOINING));
    ranges("transparent", c -> joins(c, UCharacter.JoiningType.TRANSPARENT));
    ranges("virama", c -> UCharacter.getCombiningClass(c) == 9);
    ranges("combiningClassZero", c -> UCharacter.getCombiningClass(c) == 0);
    ranges("vowelDependent", UnicodeProperties::isDependentVowel);
    ranges("restricted", UnicodeProperties::isRestricted);
    prototypes();
    out.println("}");
  }

  private static boolean joins(int c, int... types) {
    int type = UCharacter.getIntPropertyValue(c, UProperty.JOINING_TYPE);
    for (int wanted : types) if (type == wanted) return true;
    return false;
  }

  private static boolean isDependentVowel(int c) {
    int category = UCharacter.getIntPropertyValue(c, UProperty.INDIC_SYLLABIC_CATEGORY);
    return category == UCharacter.IndicSyllabicCategory.VOWEL_DEPENDENT;
  }

  /** Identifier_Status=Restricted, but for what is restricted only because few people use its script. */
  private static boolean isRestricted(int c) {
    boolean restricted = UCharacter.getIntPropertyValue(c, UProperty.IDENTIFIER_STATUS) == 0;
    return restricted && !isOnlyLimitedUse(c);
  }

  private static boolean isOnlyLimitedUse(int c) {
    java.util.EnumSet<IdentifierType> types = java.util.EnumSet.noneOf(IdentifierType.class);
    UCharacter.getIdentifierTypes(c, types);
    return types.equals(java.util.EnumSet.of(IdentifierType.LIMITED_USE));
  }

  private static void ranges(String name, IntPredicate has) {
    StringBuilder text = new StringBuilder();
    int start = -1;
    for (int c = 0; c <= 0x110000; c++) {
      boolean in = c < 0x110000 && has.test(c);
      if (in && start < 0) start = c;
      if (in || start < 0) continue;
      text.append(text.length() == 0 ? "" : ",").append("[").append(start).append(",").append(c - 1).append("]");
      start = -1;
    }
    out.printf("\"%s\": [%s],%n", name, text);
  }

  /** UTS 39: what each code point is mapped to that is its own NFD; the others are mapped through their NFD. */
  private static void prototypes() {
    out.println("\"prototypes\": {");
    String comma = "";
    for (int c = 0; c < 0x110000; c++) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      String itself = Character.toString(c);
      if (!nfd.isNormalized(itself) || UCharacter.hasBinaryProperty(c, UProperty.DEFAULT_IGNORABLE_CODE_POINT)) continue;
      String prototype = spoof.getSkeleton(itself);
      if (prototype.equals(itself)) continue;
      out.printf("%s\"%d\": [%s]%n", comma, c, points(prototype));
      comma = ",";
    }
    out.println("}");
  }

  private static String points(String text) {
    return text.codePoints().mapToObj(Integer::toString).collect(java.util.stream.Collectors.joining(","));
  }
}
